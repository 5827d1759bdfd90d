import { describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { startCompute } from "../rig/compute.ts"
import { startFakeEmulator } from "../rig/emulator.ts"
import { LIMIT } from "../rig/waits.ts"

/** Elsewhere no C library is like glibc. */
describe.skipIf(process.platform !== "linux")("the executable", () => {
  it.live(
    "gives memory back to the system when it has started",
    () =>
      Effect.gen(function* () {
        const compute = yield* startCompute({
          emulator: yield* startFakeEmulator(),
          env: { RUST_LOG: "debug" },
          spec: { skip_pg_catalog_updates: true }
        })
        yield* compute.written("compute start finished")
        yield* compute.written("memory went back to the system")
      }).pipe(Effect.scoped),
    LIMIT
  )
})

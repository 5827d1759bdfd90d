/**
 * What takes minutes: runs with `npm run test:long` only.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { connect, statuses } from "../../rig/clients.ts"
import { startCompute } from "../../rig/compute.ts"
import { startFakeEmulator } from "../../rig/emulator.ts"
import { adminToken } from "../../rig/tokens.ts"
import { until } from "../../rig/waits.ts"

/** Longer than any default of a server's, and what the original was seen to keep. */
const SILENCE = "160 seconds"

describe("a client that takes its time", () => {
  it.live.skipIf(process.env["FUZZ_SECONDS"] === undefined)(
    "is kept: a silent connection, and a body that stops on its way",
    () =>
      Effect.gen(function* () {
        const compute = yield* startCompute({ emulator: yield* startFakeEmulator(), spec: null })
        yield* compute.waitFor("empty")
        const silent = yield* connect(compute.ports.external)
        const slow = yield* connect(compute.ports.external)
        const head = `POST /configure HTTP/1.1\r\nAuthorization: Bearer ${adminToken()}\r\n`
        slow.socket.write(`${head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{`)
        yield* Effect.sleep(SILENCE)
        silent.socket.write("GET /livez HTTP/1.1\r\n\r\n")
        slow.socket.write("}")
        yield* until("both answers", () => [silent, slow].every(({ received }) => received() !== ""))
        assert.deepStrictEqual(statuses(silent.received()), [200])
        assert.deepStrictEqual(statuses(slow.received()), [422])
      }),
    240_000
  )
})

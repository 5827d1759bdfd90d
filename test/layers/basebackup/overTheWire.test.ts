import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { ParsedSpec } from "../../../src/domain/spec/ParsedSpec.ts"
import { unpack } from "../../../src/layers/archive/unpack.ts"
import { Pageserver } from "../../../src/layers/storage/pageserver/Pageserver.ts"
import { LSN, storage } from "../storageRig.ts"

const content = fs.readFileSync(new URL("../../golden/storage/basebackup-primary.tar.gz", import.meta.url))

const receive = (parsed: ParsedSpec) =>
  Effect.gen(function* () {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), "basebackup-"))
    yield* Effect.addFinalizer(() => Effect.sync(() => fs.rmSync(dir, { recursive: true, force: true })))
    const pageserver = yield* Pageserver
    const { bytes } = yield* pageserver.basebackup(parsed, LSN)
    const size = yield* unpack(dir, bytes, null)
    return { size, control: fs.statSync(path.join(dir, "global/pg_control")).size }
  }).pipe(Effect.scoped, Effect.provide(Pageserver.layer))

describe("a basebackup over the wire", () => {
  for (const protocol of ["libpq", "grpc"] as const) {
    const peer = protocol === "libpq" ? "pageserver" : "grpc"

    it.live(`is unpacked by ${protocol}`, () =>
      Effect.gen(function* () {
        const rig = yield* storage({ content })
        assert.deepStrictEqual(yield* receive(rig.spec(protocol)), { size: content.length, control: 8192 })
        rig.world.faults = [{ peer, action: { do: "slow", bytesPerSecond: 400_000 } }]
        assert.strictEqual((yield* receive(rig.spec(protocol))).size, content.length)
      })
    )

    it.live(`never succeeds by ${protocol} when it is cut, damaged or followed by an error`, () =>
      Effect.gen(function* () {
        const rig = yield* storage({ content })
        for (let at = 0; at <= content.length; at += Math.ceil(content.length / 12)) {
          rig.world.faults = [{ peer, action: { do: "cut", after: at } }]
          const broken = yield* Effect.flip(receive(rig.spec(protocol)))
          assert.match(broken.message, /connection|stream|transport|socket|ECONNRESET|closed/i)
          const code = protocol === "libpq" ? "XX000" : "INTERNAL"
          rig.world.faults = [{ peer, action: { do: "error", code, message: "layer is gone", after: at + 1 } }]
          assert.include((yield* Effect.flip(receive(rig.spec(protocol)))).message, "layer is gone")
        }
        for (const at of [0, 9_000, 60_000, content.length - 6]) {
          rig.world.faults = [{ peer, action: { do: "corrupt", at } }]
          assert.strictEqual((yield* Effect.flip(receive(rig.spec(protocol))))._tag, "BadBasebackup")
        }
      })
    )
  }
})

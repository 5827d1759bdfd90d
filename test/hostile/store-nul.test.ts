/**
 * A NUL in a text of the spec: Postgres, files and processes end the text there.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { runProgram, startCompute } from "../rig/compute.ts"
import { startFakeEmulator } from "../rig/emulator.ts"
import { tempDir } from "../rig/postgres.ts"
import { makeConfig, merge, setting } from "../rig/spec.ts"

const nul = "a\u0000b"

it.live("is refused with its path, by /configure, by /promote, by check and from the control plane", () =>
  Effect.gen(function* () {
    const emulator = yield* startFakeEmulator()
    const compute = yield* startCompute({ emulator, spec: null })
    yield* compute.waitFor("empty")
    const wrong = [
      [{ project_id: nul }, "spec.project_id"],
      [{ endpoint_id: nul }, "spec.endpoint_id"],
      [{ storage_auth_token: nul }, "spec.storage_auth_token"],
      [{ cluster: { postgresql_conf: nul } }, "spec.cluster.postgresql_conf"],
      [{ cluster: { settings: [setting("a", nul)] } }, "spec.cluster.settings[0].value"],
      [{ cluster: { databases: [{ name: nul, owner: "o" }] } }, "spec.cluster.databases[0].name"],
      [
        { remote_extensions: { library_index: {}, extension_data: {}, public_extensions: [nul] } },
        "spec.remote_extensions"
      ],
      [{ unknown_to_us: { deep: [nul] } }, "spec.unknown_to_us.deep[0]"]
    ] as const
    for (const [more, where] of wrong) {
      const answer = yield* compute.configure(merge(compute.spec, more))
      assert.strictEqual(answer.status, 422, answer.body)
      assert.include(answer.body, `${where}`)
      assert.match(answer.body, /contains a nul character/i)
    }
    const promoted = yield* compute.http({
      method: "POST",
      path: "/promote",
      body: { spec: merge(compute.spec, { branch_id: nul }), wal_flush_lsn: "0/1" }
    })
    assert.deepStrictEqual([promoted.status, /spec\.branch_id: the text/.test(promoted.body)], [422, true])
    assert.strictEqual((yield* compute.status)?.["status"], "empty")

    const dir = yield* tempDir("nul-")
    const file = path.join(dir, "config.json")
    fs.writeFileSync(file, JSON.stringify(makeConfig(merge(compute.spec, { project_id: nul }))))
    const checked = yield* runProgram(["check", "--config", file])
    assert.strictEqual((yield* checked.ended).code, 1)
    assert.match(checked.log(), /spec\.project_id: the text contains a NUL character/)

    const from = yield* startCompute({ emulator, source: "control-plane", computeId: "nul", spec: { project_id: nul } })
    assert.notStrictEqual((yield* from.ended).code, 0)
    assert.match(from.log(), /spec\.project_id: the text contains a NUL character/)
  })
)

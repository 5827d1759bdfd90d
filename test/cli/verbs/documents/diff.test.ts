import * as fs from "node:fs"
import * as path from "node:path"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { runProgram } from "../../../rig/compute.ts"
import { tempDir } from "../../../rig/postgres.ts"

const config = (connections: string) => ({
  spec: {
    suspend_timeout_seconds: -1,
    tenant_id: "b0554b632bd4d547a63b86c3630317e8",
    timeline_id: "1e8a3f1d2c4b5a69788796a5b4c3d2e1",
    pageserver_connstring: "postgresql://ps:6400",
    safekeeper_connstrings: ["a:1"],
    cluster: {
      roles: [],
      databases: [],
      settings: [{ name: "max_connections", value: connections, vartype: "integer" }]
    }
  },
  compute_ctl_config: { jwks: { keys: [] } }
})

it.live("diff ends with 3 for a difference, 0 for none, and 1 for what could not be run", () =>
  Effect.gen(function* () {
    const dir = yield* tempDir("diff-")
    const file = (name: string, document: unknown) => {
      fs.writeFileSync(path.join(dir, name), JSON.stringify(document))
      return path.join(dir, name)
    }
    const [now, next, bad] = [file("now", config("100")), file("next", config("200")), file("bad", {})]
    const diff = (from: string, to: string) =>
      Effect.gen(function* () {
        const running = yield* runProgram(["diff", "--config", from, "--config", to])
        return { code: (yield* running.ended).code, log: running.log() }
      })
    const [changed, same, wrong] = yield* Effect.all([diff(now, next), diff(now, now), diff(now, bad)], {
      concurrency: 3
    })
    assert.deepStrictEqual(changed, {
      code: 3,
      log: "Settings that wait for a restart\n                   now  then\n  max_connections  100  200\n"
    })
    assert.deepStrictEqual(same, { code: 0, log: "nothing to change\n" })
    assert.strictEqual(wrong.code, 1)
    assert.include(wrong.log, `${bad}: `)
  })
)

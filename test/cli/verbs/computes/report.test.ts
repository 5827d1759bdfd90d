import * as fs from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { withoutSecrets } from "../../../../src/cli/verbs/computes/report/hide.ts"
import { tail } from "../../../../src/cli/verbs/computes/report/tail.ts"
import { runProgram } from "../../../rig/compute.ts"
import { tempDir } from "../../../rig/postgres.ts"

const SECRETS = /hunter2|0123456789abcdef0123456789abcdef|private|sesame/

const config = {
  spec: {
    suspend_timeout_seconds: -1,
    tenant_id: "b0554b632bd4d547a63b86c3630317e8",
    timeline_id: "1e8a3f1d2c4b5a69788796a5b4c3d2e1",
    pageserver_connstring: "postgresql://no_user:hunter2@ps:6400",
    safekeeper_connstrings: ["a:1"],
    storage_auth_token: "sesame",
    cluster: {
      roles: [{ name: "app", encrypted_password: "0123456789abcdef0123456789abcdef" }],
      databases: [],
      settings: [{ name: "my.api_key", value: "sesame", vartype: "string" }]
    }
  },
  compute_ctl_config: { jwks: { keys: [{ kty: "oct", kid: "one", k: "private" }] } }
}

describe("what goes into a report", () => {
  it("has no secrets, by name, by shape, or in a key", () => {
    const text = withoutSecrets(JSON.stringify(config))
    assert.notMatch(text, SECRETS)
    for (const kept of ["no_user", "app", "my.api_key", "one"]) assert.include(text, kept)
    assert.notMatch(withoutSecrets("no JSON, password=hunter2"), SECRETS)
  })

  it.live("has of a log the last lines only", () =>
    Effect.gen(function* () {
      const file = path.join(yield* tempDir("tail-"), "log")
      fs.writeFileSync(file, `${"x".repeat(5 * 1024 * 1024)}\n1\n2\n3\n`)
      assert.strictEqual(yield* tail(file, 2), "2\n3")
      assert.match((yield* Effect.flip(tail("/nosuch", 2))).message, /^cannot read \/nosuch/)
    })
  )
})

const server = Effect.acquireRelease(
  Effect.callback<http.Server>((resume) => {
    const made = http.createServer((request, response) => {
      const isStatus = request.url === "/status"
      response.writeHead(isStatus ? 200 : 404).end(isStatus ? '{"status":"running","error":"password=hunter2"}' : "{}")
    })
    made.listen(0, "127.0.0.1", () => resume(Effect.succeed(made)))
  }),
  (made) =>
    Effect.sync(() => {
      made.closeAllConnections()
      made.close()
    })
)

it.live("compute_ctl report writes one file that only its user may read, and overwrites none", () =>
  Effect.gen(function* () {
    const cwd = yield* tempDir("report-")
    const { port } = (yield* server).address() as AddressInfo
    fs.writeFileSync(path.join(cwd, "config.json"), JSON.stringify(config))
    fs.writeFileSync(path.join(cwd, "log"), "first\nlast line, token=sesame\n")
    const run = (url: string, ...more: ReadonlyArray<string>) =>
      Effect.gen(function* () {
        const running = yield* runProgram(["report", "--url", url, ...more], { cwd })
        return { code: (yield* running.ended).code, stdout: running.stdout(), log: running.log() }
      })
    const flags = ["--config", "config.json", "--log", "log", "--lines", "1", "-o", "report"]
    assert.deepStrictEqual(yield* run(`127.0.0.1:${port}`, ...flags), { code: 0, stdout: "report\n", log: "report\n" })
    const text = fs.readFileSync(path.join(cwd, "report"), "utf8")
    assert.strictEqual(fs.statSync(path.join(cwd, "report")).mode & 0o777, 0o600)
    assert.notMatch(text, SECRETS)
    for (const part of [
      "===== versions =====",
      '"status": "running"',
      "===== /history =====\nnot to be had: ",
      "===== postgresql.conf =====\n# Neon storage settings",
      "===== the last lines of log =====\nlast line, token="
    ]) {
      assert.include(text, part)
    }
    const again = yield* run(`127.0.0.1:${port}`, "-o", "report")
    assert.strictEqual(again.code, 2)
    assert.include(again.log, "cannot write report: EEXIST")
    const silent = yield* run("127.0.0.1:2", "--config", "config.json", "-o", "-")
    assert.strictEqual(silent.code, 1)
    assert.include(silent.stdout, "cannot reach http://127.0.0.1:2")
    const before = fs.readdirSync(cwd)
    const nothing = yield* run("127.0.0.1:2")
    assert.deepStrictEqual([nothing.code, nothing.stdout], [1, ""])
    assert.match(nothing.log, /^Error: there is nothing to report: cannot reach http:\/\/127\.0\.0\.1:2: \S/)
    assert.deepStrictEqual(fs.readdirSync(cwd), before)
  }).pipe(Effect.scoped)
)

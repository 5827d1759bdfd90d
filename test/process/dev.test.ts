/**
 * `npm start`: a whole compute that a Ctrl-C ends.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import pg from "pg"
import { type Running, runProgram } from "../rig/compute.ts"
import { pgbin, tempDir } from "../rig/postgres.ts"
import { processesOf } from "../rig/processes.ts"

const said = (running: Running, text: RegExp) =>
  Effect.suspend(() => {
    const found = text.exec(running.log())
    return found === null ? Effect.fail(`never said ${text}:\n${running.log().slice(-4000)}`) : Effect.succeed(found)
  }).pipe(Effect.retry(Schedule.max([Schedule.spaced("20 millis"), Schedule.recurs(4500)])))

/** Its own, which is kept in nobody's checkout. */
const dev = (cwd: string, ...flags: ReadonlyArray<string>) => runProgram(["dev", "--pgbin", pgbin, ...flags], { cwd })

const place = tempDir("dev-")

const asks = (connectionString: string, statement: string) =>
  Effect.promise(async () => {
    const client = new pg.Client({ connectionString })
    await client.connect()
    const { rows } = await client.query(statement)
    await client.end()
    return rows
  })

/** One run: what is done while it is up, then a Ctrl-C. */
const session = <A>(
  cwd: string,
  flags: ReadonlyArray<string>,
  use: (app: string, running: Running) => Effect.Effect<A, string, Scope.Scope>
) =>
  Effect.gen(function* () {
    const running = yield* dev(cwd, ...flags)
    const [, app = ""] = yield* said(running, /psql (postgresql:\/\/app@\S+)/)
    const result = yield* use(app, running)
    running.signal("SIGINT")
    assert.deepStrictEqual(yield* running.ended, { code: 0, signal: null }, running.log().slice(-2000))
    return result
  }).pipe(Effect.scoped)

describe("compute_ctl dev", () => {
  it.live("says how to connect; one signal ends everything in order, with success", () =>
    Effect.gen(function* () {
      const running = yield* dev(yield* place)
      const [, url = ""] = yield* said(running, /psql (postgresql:\/\/cloud_admin@127\.0\.0\.1:\d+\/postgres)/)
      const [, folder = ""] = yield* said(running, /((?:\/[\w.+-]+)+\/emulator-\w+)/)
      assert.isNotEmpty(yield* processesOf(folder), url)
      running.signal("SIGINT")
      // What npm passes on of the same Ctrl-C is not the second, impatient one.
      running.signal("SIGINT")
      assert.deepStrictEqual(yield* running.ended, { code: 0, signal: null })
      assert.match(running.log(), /database system is shut down/)
      assert.notMatch(running.log(), /immediate shutdown request/)
      assert.deepStrictEqual(yield* processesOf(folder), [])
    })
  )

  it.live("is left as easily before it is up", () =>
    Effect.gen(function* () {
      const running = yield* dev(yield* place)
      yield* running.written("compute build_tag")
      running.signal("SIGTERM")
      assert.deepStrictEqual(yield* running.ended, { code: 0, signal: null })
    })
  )

  it.live("keeps the databases for the next run, copies them to a branch, and begins anew when told", () =>
    Effect.gen(function* () {
      const cwd = yield* place
      yield* session(cwd, [], (app, first) =>
        Effect.gen(function* () {
          yield* asks(app, "create table kept (n int)")
          yield* asks(app, "insert into kept values (1)")
          const beside = yield* dev(cwd)
          assert.strictEqual((yield* beside.ended).code, 1)
          assert.match(beside.log(), /branch main in \.compute is in use by process \d+; --branch NAME runs a copy/)
          // The line that the user is given, typed as it stands.
          const [, line = ""] = yield* said(first, /^ {2}(.+ status --url .+ --token-file .+)$/m)
          const status = Effect.sync(() => spawnSync("bash", ["-c", line], { encoding: "utf8", cwd }))
          // Our own work after the start hides what a user does beside it.
          const used = asks(app, "select 1").pipe(
            Effect.andThen(status),
            Effect.filterOrFail(({ stdout }) => !/last active +never/.test(stdout))
          )
          const { status: code, stdout } = yield* used.pipe(
            Effect.retry(Schedule.max([Schedule.spaced("100 millis"), Schedule.recurs(600)])),
            Effect.orDie
          )
          assert.strictEqual(code, 0)
          assert.match(stdout, /running[\s\S]+version +\d+[\s\S]+mode +primary\n +endpoint +dev/)
          assert.match(first.log(), /internal API: http:\/\/127\.0\.0\.1:\d+/)
          assert.notInclude(first.log(), "request_id=dev-")
        })
      )
      yield* session(cwd, ["--branch", "try"], (app) =>
        Effect.gen(function* () {
          assert.deepStrictEqual(yield* asks(app, "select n from kept"), [{ n: 1 }])
          yield* asks(app, "drop table kept")
        })
      )
      yield* session(cwd, [], (app) =>
        Effect.map(asks(app, "select n from kept"), (rows) => assert.deepStrictEqual(rows, [{ n: 1 }]))
      )
      yield* session(cwd, ["--fresh"], (app) =>
        Effect.map(asks(app, "select to_regclass('kept') as found"), (rows) =>
          assert.deepStrictEqual(rows, [{ found: null }])
        )
      )
      assert.sameMembers(fs.readdirSync(path.join(cwd, ".compute")), [
        "main.json",
        "main.tar.gz",
        "try.json",
        "try.tar.gz"
      ])
    })
  )

  it.live("leaves nobody behind when it is killed", () =>
    Effect.gen(function* () {
      const running = yield* dev(yield* place)
      const [, folder = ""] = yield* said(running, /((?:\/[\w.+-]+)+\/emulator-\w+)/)
      yield* said(running, /psql postgresql:\/\/app@/)
      running.signal("SIGKILL")
      yield* running.ended
      yield* Effect.filterOrFail(processesOf(folder), (left) => left.length === 0).pipe(
        Effect.retry(Schedule.max([Schedule.spaced("50 millis"), Schedule.recurs(1800)]))
      )
      fs.rmSync(folder, { recursive: true, force: true })
    })
  )

  it.live("says that the server, or the branch, it is given is none", () =>
    Effect.gen(function* () {
      const branch = yield* runProgram(["dev", "--pgbin", pgbin, "--branch", ".x/y"], { cwd: yield* place })
      assert.strictEqual((yield* branch.ended).code, 2)
      assert.include(branch.log(), 'error: --branch ".x/y" cannot be a branch\n  tip: its name is at most 63 letters')
      const running = yield* runProgram(["dev", "--pgbin", "/nosuch"], { cwd: yield* place })
      assert.strictEqual((yield* running.ended).code, 2)
      assert.include(running.log(), "error: --pgbin: there is no program /nosuch that may be run\n  tip: ")
    })
  )
})

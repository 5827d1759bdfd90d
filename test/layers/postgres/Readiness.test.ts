import { spawn } from "node:child_process"
import { chownSync, statSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { ComputeState } from "../../../src/layers/compute/ComputeState.ts"
import { Metrics } from "../../../src/layers/observe/Metrics.ts"
import { Readiness } from "../../../src/layers/postgres/Readiness.ts"
import { Sql } from "../../../src/layers/sql/Sql.ts"
import { throwAwayPostgres, versions } from "../throwAwayPostgres.ts"

const asked = Effect.flatMap(Readiness, ({ check }) => Effect.result(check))
const forgotten = Effect.sleep("1100 millis")

const against = (connstr: string) =>
  Readiness.layer.pipe(
    Layer.provideMerge(ComputeState.layer),
    Layer.provide(Sql.layerTo(connstr)),
    Layer.provide(Metrics.layer)
  )

const postgresRuns = Effect.flatMap(ComputeState, ({ update }) => update(() => ({ postgresRuns: true })))

/** The same server again, as a standby with nobody to follow. */
const asStandby = (bin: string, server: { readonly data: string; readonly port: number; readonly root: string }) =>
  Effect.acquireRelease(
    Effect.callback<ReturnType<typeof spawn>, Error>((resume) => {
      const { gid, uid } = statSync(server.data)
      const signal = join(server.data, "standby.signal")
      writeFileSync(signal, "")
      chownSync(signal, uid, gid)
      const flags = [`port=${server.port}`, `unix_socket_directories=${server.root}`].flatMap((flag) => ["-c", flag])
      const child = spawn(join(bin, "postgres"), ["-D", server.data, ...flags], {
        ...(process.getuid?.() === 0 && { uid, gid }),
        cwd: server.root,
        stdio: ["ignore", "ignore", "pipe"]
      })
      let logs = ""
      child.stderr?.on("data", (chunk) => {
        logs += chunk
        if (logs.includes("ready to accept read-only connections")) resume(Effect.succeed(child))
      })
      child.once("exit", () => resume(Effect.fail(new Error(logs))))
    }),
    (child) =>
      Effect.promise(
        () =>
          new Promise((resolve) => {
            child.once("exit", resolve)
            child.kill("SIGQUIT")
          })
      )
  )

describe.each(versions)("Postgres $version", ({ bin }) => {
  it.live("is ready while it answers, and no longer", () =>
    Effect.gen(function* () {
      const server = yield* throwAwayPostgres(bin)
      yield* Effect.gen(function* () {
        const before = yield* asked
        assert.deepInclude(before, { _tag: "Failure" })
        yield* postgresRuns
        yield* Effect.flatMap(ComputeState, ({ transition }) => transition("spec at start"))
        yield* forgotten
        assert.match((yield* Effect.flip(Effect.flatMap(asked, Effect.fromResult))).message, /catalog/)
        yield* Effect.flatMap(ComputeState, ({ transition }) => transition("started"))
        yield* forgotten
        assert.deepStrictEqual(yield* Effect.flatMap(Readiness, ({ check }) => check), { ready: true, standby: null })
        server.child.kill("SIGSTOP")
        // Within the second an answer is not asked for again.
        assert.strictEqual((yield* asked)._tag, "Success")
        yield* forgotten
        const began = performance.now()
        const hung = yield* Effect.flip(Effect.flatMap(asked, Effect.fromResult))
        assert.match(hung.message, /in time|does not accept/)
        assert.isBelow(performance.now() - began, 10_000)
      }).pipe(Effect.provide(against(server.connstr)))
    })
  )

  it.live("a standby says how far it is", () =>
    Effect.gen(function* () {
      const server = yield* throwAwayPostgres(bin)
      server.child.kill("SIGINT")
      yield* Effect.promise(() => server.ended)
      yield* asStandby(bin, server)
      yield* Effect.gen(function* () {
        yield* postgresRuns
        const { standby } = yield* Effect.flatMap(Readiness, ({ check }) => check)
        assert.match(standby?.replayed_lsn ?? "", /^[0-9A-F]+\/[0-9A-F]+$/)
        assert.isNull(standby?.received_lsn)
        assert.isNull(standby?.behind_bytes)
      }).pipe(Effect.provide(against(server.connstr)))
    })
  )
})

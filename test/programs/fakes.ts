/**
 * Services of a compute without a machine: what a test does not name dies when it is asked for.
 */
import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Ref from "effect/Ref"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { ComputeSpec } from "../../src/domain/spec/ComputeSpec.ts"
import { type ParsedSpec, parseSpec } from "../../src/domain/spec/ParsedSpec.ts"
import { Catalog } from "../../src/layers/catalog/Catalog.ts"
import { ComputeState } from "../../src/layers/compute/ComputeState.ts"
import { type ComputeOptions, MachineConfig, Options } from "../../src/layers/compute/Options.ts"
import { StopRequests } from "../../src/layers/compute/stop/StopRequests.ts"
import { Waits } from "../../src/layers/compute/Waits.ts"
import { Certificates } from "../../src/layers/neighbours/Certificates.ts"
import { LocalProxy } from "../../src/layers/neighbours/LocalProxy.ts"
import { PgBouncer } from "../../src/layers/neighbours/PgBouncer.ts"
import { Rsyslog } from "../../src/layers/neighbours/Rsyslog.ts"
import { Metrics } from "../../src/layers/observe/Metrics.ts"
import { DataDirectory, type DataDirectoryFailed } from "../../src/layers/postgres/dataDirectory/DataDirectory.ts"
import { Postmaster, type RunningPostgres } from "../../src/layers/postgres/Postmaster.ts"
import { Sql, SqlFailed, type SqlSession } from "../../src/layers/sql/Sql.ts"

/** A service of which only some members exist. */
export const fake = <I, S extends object>(tag: Context.Key<I, S>, members: Partial<S>): Layer.Layer<I> =>
  Layer.succeed(
    tag,
    new Proxy(members, {
      get: (target, name) =>
        Reflect.get(target, name) ?? Effect.die(new Error(`${tag.key} has no ${String(name)} in this test`))
    }) as S
  )

const TENANT = "b0554b632bd4d547a63b86c3630317e8"
const TIMELINE = "1e8a3f1d2c4b5a69788796a5b4c3d2e1"

export const spec = (members: Record<string, unknown> = {}): ParsedSpec =>
  Result.getOrThrow(
    parseSpec(
      Schema.decodeUnknownSync(ComputeSpec)({
        format_version: 1,
        cluster: { roles: [], databases: [], settings: [] },
        suspend_timeout_seconds: -1,
        tenant_id: TENANT,
        timeline_id: TIMELINE,
        pageserver_connstring: "postgresql://ps-a",
        safekeeper_connstrings: ["sk-1:6500"],
        endpoint_id: "ep-1",
        ...members
      })
    )
  )

/** What Postgres was asked, and the answers by the first pattern that a statement contains. */
export const scriptedSql = (
  asked: Array<string>,
  answers: ReadonlyArray<
    readonly [string, ReadonlyArray<object> | Effect.Effect<ReadonlyArray<object>, SqlFailed>]
  > = []
) => {
  const session = {
    query: (text: string, values?: ReadonlyArray<unknown>) =>
      Effect.suspend(() => {
        const statement = text.replaceAll(/\s+/g, " ").trim()
        asked.push(values === undefined ? statement : `${statement} ${JSON.stringify(values)}`)
        const answer = answers.find(([pattern]) => statement.includes(pattern))?.[1]
        return Effect.isEffect(answer) ? answer : Effect.succeed(answer ?? [])
      })
  } as SqlSession
  return fake(Sql, { session: () => Effect.succeed(session) })
}

export const sqlFailure = (message: string) => SqlFailed.of(message)

/** The statements by which a reload is watched, all well. */
export const reloads: ReadonlyArray<readonly [string, ReadonlyArray<object>]> = [
  ["pg_conf_load_time", [{ loaded: true }]],
  ["pg_file_settings", []],
  ["pending_restart", []]
]

export const postmaster = (log: Array<string>) =>
  fake(Postmaster, {
    current: Effect.succeed({
      pid: 1,
      ended: Effect.never,
      ready: Effect.void,
      lastWords: Effect.succeed(""),
      reload: Effect.sync(() => log.push("SIGHUP") > 0),
      stop: () => Effect.never
    } as RunningPostgres)
  })

/** Files, neighbours and catalog that only write down what they were asked for. */
export const machinery = (log: Array<string>, write: Effect.Effect<void, DataDirectoryFailed> = Effect.void) => {
  const note = (entry: string) => Effect.sync(() => void log.push(entry))
  return Layer.mergeAll(
    postmaster(log),
    fake(DataDirectory, {
      writeConf: (_, lastLine) =>
        Effect.as(Effect.andThen(note(lastLine === undefined ? "conf" : `conf ${lastLine}`), write), true),
      ensureConfLine: (line) => Effect.as(note(`line ${line}`), true)
    }),
    fake(Catalog, { apply: () => Effect.as(note("catalog"), {} as never) }),
    fake(Rsyslog, { exportLogs: () => note("rsyslog") }),
    fake(PgBouncer, { tune: () => note("pgbouncer") }),
    fake(LocalProxy, { configure: () => note("local_proxy") }),
    fake(Certificates, { pair: Effect.die(new Error("no certificates")) as never }),
    Layer.succeed(MachineConfig, { jwks: { keys: [] }, tls: null })
  )
}

export const options = (members: Partial<ComputeOptions> = {}) =>
  Layer.succeed(Options, {
    pgbin: "/usr/lib/postgresql/15/bin/postgres",
    pgdata: "/nowhere",
    connstr: "postgresql://cloud_admin@127.0.0.1:1/postgres",
    computeId: "compute-1",
    controlPlaneToken: Redacted.make(""),
    instanceId: null,
    lakebaseMode: false,
    pgInitTimeout: 60,
    ...members
  } as ComputeOptions)

export const basics = Layer.mergeAll(ComputeState.layer, StopRequests.layer, Waits.layer).pipe(
  Layer.provideMerge(Metrics.layer)
)

/** Takes a new state to `running` with a Postgres. */
export const running = (parsed: ParsedSpec) =>
  Effect.gen(function* () {
    const state = yield* ComputeState
    yield* state.transition("spec at start", () => ({ spec: parsed }))
    yield* state.transition("started", () => ({ postgresRuns: true }))
  })

/** Lets forked fibers get as far as they can. */
export const settle = Effect.yieldNow.pipe(Effect.repeat({ times: 200 }))

export const counter = (name: string) =>
  Effect.map(
    Effect.flatMap(Metrics, (metrics) => metrics.render),
    (text) => text.split("\n").find((line) => line.startsWith(name) && !line.startsWith("#")) ?? ""
  )

/** Calls counted and answered in order; the last answer stays. */
export const inTurn = <A, E>(answers: ReadonlyArray<Effect.Effect<A, E>>) =>
  Effect.map(Ref.make(0), (turn) => ({
    calls: Ref.get(turn),
    next: Effect.flatMap(
      Ref.getAndUpdate(turn, (count) => count + 1),
      (count) => answers[Math.min(count, answers.length - 1)] ?? Effect.die(new Error("no answer"))
    )
  }))

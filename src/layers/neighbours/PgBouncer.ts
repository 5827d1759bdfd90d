/**
 * The connection pooler beside Postgres. Init runs it; we write its settings, have it read them, and end it with the
 * compute so that its clients are cut off.
 *
 * Source: `compute_tools/src/pg_helpers.rs` (`tune_pgbouncer`), `compute_tools/src/compute.rs` (`forward_termination_signal`).
 */
import { access } from "node:fs/promises"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import { type BadPgBouncerSetting, mergeIni, notTaken } from "../../domain/conf/PgBouncerIni.ts"
import { plainTo } from "../../domain/postgres/ConnectionString.ts"
import { effectiveTls, type ParsedSpec } from "../../domain/spec/ParsedSpec.ts"
import { MachineConfig, Options } from "../compute/Options.ts"
import { type Failed, retrying } from "../compute/retrying.ts"
import { Waits } from "../compute/Waits.ts"
import { type PgBouncerPlaces, Places } from "../machine/Places.ts"
import { isNamed, readPid, signalPid } from "../machine/pids.ts"
import { Variables } from "../machine/process/Variables.ts"
import { type FileNotWritten, readText, replaceFile } from "../machine/replaceFile.ts"
import { Metrics } from "../observe/Metrics.ts"
import type { Row } from "../sql/wire/Session.ts"
import { told } from "./told.ts"

/** The settings could not be handed to pgbouncer. */
export class PgBouncerFailed extends Data.TaggedError("PgBouncerFailed")<{
  readonly message: string
  readonly cause?: Error
}> {}

/** How the admin console is reached. */
interface Console extends Pick<PgBouncerPlaces, "host" | "port" | "user" | "limit"> {
  readonly password: Redacted.Redacted<string> | null
}

export class PgBouncer extends Context.Service<
  PgBouncer,
  {
    /** Writes the spec's settings (and TLS, when it is on) into the ini and has a running pgbouncer read it. */
    readonly tune: (spec: ParsedSpec) => Effect.Effect<void, PgBouncerFailed>
    /** Kills it at once. */
    readonly stop: Effect.Effect<void>
  }
>()("compute/PgBouncer") {
  static readonly layer = Layer.effect(this, Effect.gen(make))
}

const KEY_LIMIT = "60 seconds"

/** One statement on the admin console. */
const ask = (
  { host, limit, password, port, user }: Console,
  statement: string
): Effect.Effect<ReadonlyArray<Row>, PgBouncerFailed> =>
  Effect.promise(() => import("../sql/wire/Session.ts")).pipe(
    Effect.flatMap(({ open }) =>
      open({
        connection: plainTo({ host, port }),
        parameters: [
          ["user", user],
          ["database", "pgbouncer"],
          ["application_name", "compute_ctl"],
          ["client_encoding", "UTF8"]
        ],
        password,
        connectTimeout: limit
      })
    ),
    Effect.flatMap((session) => session.query(statement, limit)),
    Effect.scoped,
    Effect.mapError(({ message }) => new PgBouncerFailed({ message: `admin console at ${host}:${port}: ${message}` }))
  )

function* make() {
  const { isVm } = yield* Options
  const { pgbouncer } = yield* Places
  const { pgbouncerPassword } = yield* Variables
  const at = isVm ? pgbouncer.vm : pgbouncer.pod
  const console: Console = { ...at, password: isVm ? null : pgbouncerPassword }
  const machine = yield* MachineConfig
  const metrics = yield* Metrics
  const waits = yield* Waits
  const failed = (error: FileNotWritten | BadPgBouncerSetting) => new PgBouncerFailed({ message: error.message })

  /** It starts half broken, refusing TLS, when told of a key that is not there yet. */
  const keyReadable = (path: string) =>
    Effect.tryPromise(() => access(path)).pipe(
      retrying({
        whom: path,
        attempts: null,
        schedule: Schedule.spaced("500 millis"),
        failed: () => Effect.void
      }),
      waits.within("pgbouncer's TLS key", KEY_LIMIT),
      Effect.mapError(() => new PgBouncerFailed({ message: `TLS key ${path} did not appear within ${KEY_LIMIT}` }))
    )

  const rewrite = Effect.fnUntraced(
    function* (settings: Readonly<Record<string, string>>) {
      const before = yield* readText(at.ini)
      if (before === null) return yield* new PgBouncerFailed({ message: `${at.ini}: no such file` })
      const after = yield* Effect.fromResult(mergeIni(before, settings))
      if (after !== before) yield* replaceFile(at.ini, after)
    },
    Effect.catchTags({ FileNotWritten: failed, BadPgBouncerSetting: failed })
  )

  const reload = ask(console, "RELOAD").pipe(
    retrying({
      whom: "pgbouncer's console",
      attempts: 4,
      schedule: Schedule.spaced("1 second"),
      failed: ({ error }: Failed<PgBouncerFailed>) =>
        Effect.logWarning(`pgbouncer did not reload, again in a second: ${error.message}`)
    }),
    waits.within("pgbouncer to reload", "30 seconds"),
    Effect.catchTag("WaitExpired", ({ message }) => Effect.fail(new PgBouncerFailed({ message })))
  )

  /** It answers RELOAD with success whatever it thinks of the file. Its names are told, not what may be secret. */
  const readBack = (settings: Readonly<Record<string, string>>) =>
    Effect.flatMap(ask(console, "SHOW CONFIG"), (rows) => {
      const missing = notTaken(
        settings,
        rows.map(([name, value]) => [name ?? "", value ?? ""])
      )
      return missing.length === 0
        ? Effect.void
        : Effect.fail(
            new PgBouncerFailed({
              message: `pgbouncer has reloaded ${at.ini} and has not taken over: ${missing.join(", ")}`
            })
          )
    })

  return PgBouncer.of({
    tune: ({ spec }) =>
      Effect.gen(function* () {
        if (spec.pgbouncer_settings === null) return
        const tls = effectiveTls(spec, machine.tls)
        if (tls !== null) yield* keyReadable(tls.key_path)
        yield* rewrite({
          ...spec.pgbouncer_settings,
          ...(tls !== null && {
            client_tls_cert_file: tls.cert_path,
            client_tls_key_file: tls.key_path,
            client_tls_sslmode: "allow"
          })
        })
        yield* reload
        yield* readBack(spec.pgbouncer_settings)
      }).pipe(told("pgbouncer", metrics), Effect.withSpan("tune pgbouncer")),
    stop: Effect.gen(function* () {
      const pid = yield* readPid(at.pidFile)
      if (pid === null) return
      // pgbouncer does not lock its pid file, so another process may have got that pid since.
      if (!(yield* isNamed(pid, at.processName))) return
      yield* Effect.logInfo(`stopping pgbouncer with pid ${pid}`)
      yield* signalPid(pid, "SIGKILL")
    })
  })
}

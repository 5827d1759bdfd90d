/**
 * The running Postgres: a resource that is stopped and reaped whenever its scope closes.
 *
 * Source: `compute_tools/src/compute.rs` (`start_postgres`), `compute_tools/src/pg_helpers.rs` (`wait_for_postgres`).
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import { heard, inWords } from "../../domain/postgres/LastWords.ts"
import { tellsProgress } from "../../domain/postgres/PostgresLog.ts"
import type { ParsedSpec } from "../../domain/spec/ParsedSpec.ts"
import { Options } from "../compute/Options.ts"
import { Waits } from "../compute/Waits.ts"
import { Account, type PostgresAccount } from "../machine/Account.ts"
import { Children, type Ended } from "../machine/child/Children.ts"
import { signalUnsafe } from "../machine/pids.ts"
import { backendScore } from "../machine/process/OutOfMemory.ts"
import { writeLine } from "../observe/log/StandardError.ts"
import { awaitReady } from "./awaitReady.ts"
import { inCgroup, serverEnvironment } from "./command.ts"
import { attempt, readText } from "./dataDirectory/files.ts"
import { endLeftovers } from "./dataDirectory/leftovers.ts"
import { removeRemains } from "./dataDirectory/remains.ts"
import { reEmit } from "./log.ts"
import { PostgresNotStarted } from "./PostgresNotStarted.ts"
import { warmUp } from "./warmUp.ts"
import { watchOver } from "./watchdog.ts"

export { PostgresNotStarted } from "./PostgresNotStarted.ts"

export interface RunningPostgres {
  readonly pid: number
  /** Its log has been written to the last line by then, and nobody works in its data directory any more. */
  readonly ended: Effect.Effect<Ended>
  /** Why it ends, in its own words and behind a colon; empty while it gave no reason. */
  readonly lastWords: Effect.Effect<string>
  /**
   * Succeeds when connections are accepted (a standby: when it is consistent). At most `--pg-init-timeout` seconds without
   * a sign of progress: a recovery takes as long as it takes.
   */
  readonly ready: Effect.Effect<void, PostgresNotStarted>
  /** SIGHUP; false when the process is gone. */
  readonly reload: Effect.Effect<boolean>
  /** Fast: SIGINT, then SIGQUIT, then SIGKILL, each with its limit. Immediate: from SIGQUIT on. */
  readonly stop: (mode: "fast" | "immediate") => Effect.Effect<Ended>
}

/** A fast shutdown ends with a checkpoint, which replicas want to see: it gets the time it takes within a pod's usual grace period. */
const FAST = ["SIGINT", "25 seconds"] as const
const IMMEDIATE = ["SIGQUIT", "5 seconds"] as const
const KILL = ["SIGKILL", "1 minute"] as const

export class Postmaster extends Context.Service<
  Postmaster,
  {
    readonly start: (spec: ParsedSpec | null) => Effect.Effect<RunningPostgres, PostgresNotStarted, Scope.Scope>
    /** The one that runs now, if any: for reloads from anywhere. */
    readonly current: Effect.Effect<RunningPostgres | null>
    /** Starts and stops a throw-away Postgres, so that a virtual machine's memory and files are warm before a spec comes. */
    readonly warmUp: Effect.Effect<void, PostgresNotStarted>
  }
>()("compute/Postmaster") {
  static readonly layer = Layer.effect(this, Effect.gen(make))
}

/** `lastWords` are whole when `ended` is done. */
const readiness = (
  pgdata: string,
  ended: Effect.Effect<Ended>,
  lastWords: Effect.Effect<string>,
  progress: () => void
) =>
  Effect.raceFirst(
    awaitReady(pgdata, progress),
    Effect.gen(function* () {
      const end = yield* ended
      const code = end._tag === "Exited" ? end.code : -1
      return yield* new PostgresNotStarted({
        message: `Postgres exited unexpectedly with code ${code}${yield* lastWords}`
      })
    })
  )

/** Nothing that worked in its data directory outlives it; one that was killed may have left anything. */
const clearAway = Effect.fnUntraced(
  function* (pgdata: string, account: PostgresAccount | null) {
    const real = yield* attempt(pgdata, () => fs.realpathSync(pgdata))
    yield* endLeftovers(real, account)
    const text = yield* readText(path.join(real, "postmaster.pid"))
    if (text !== null) yield* removeRemains(real, text)
  },
  (removal) => Effect.ignore(removal)
)

function* make() {
  const options = yield* Options
  const children = yield* Children
  const waits = yield* Waits
  const { postgres: account } = yield* Account
  const current = yield* Ref.make<RunningPostgres | null>(null)

  const start = Effect.fnUntraced(function* (spec: ParsedSpec | null) {
    const { program, args } = inCgroup(options, ["-D", options.pgdata])
    const cleared = yield* Effect.cached(Effect.uninterruptible(clearAway(options.pgdata, account)))
    yield* Effect.addFinalizer(() => cleared)
    const child = yield* children
      .spawn(program, {
        args,
        account,
        env: { ...serverEnvironment(options, spec), ...backendScore() },
        vital: true,
        stdout: "inherit",
        ladder: [IMMEDIATE, KILL]
      })
      .pipe(Effect.mapError((error) => new PostgresNotStarted({ message: error.message })))
    yield* Effect.forkScoped(Effect.andThen(watchOver(options.pgdata, account), Effect.never))
    let words: ReadonlyArray<string> = []
    let progress = () => {}
    const lastWords = Effect.sync(() => inWords(words))
    const write = (message: string) => {
      words = heard(words, message)
      if (tellsProgress(message)) progress()
      writeLine(message)
    }
    const log = yield* Effect.forkScoped(reEmit(child.stderr, write))
    const whole = (ended: Ended) => Effect.as(Effect.andThen(cleared, Fiber.await(log)), ended)
    const running: RunningPostgres = {
      pid: child.pid,
      ended: Effect.flatMap(child.ended, whole),
      lastWords,
      ready: waits
        .progressing(
          "Postgres to accept connections",
          Duration.seconds(options.pgInitTimeout)
        )((told) => {
          progress = told
          return readiness(options.pgdata, Effect.flatMap(child.ended, whole), lastWords, told)
        })
        .pipe(
          Effect.catchTag("WaitExpired", () =>
            Effect.flatMap(lastWords, (said) =>
              Effect.fail(new PostgresNotStarted({ message: `timed out while waiting for Postgres to start${said}` }))
            )
          )
        ),
      reload: Effect.suspend(() =>
        signalUnsafe(child.pid, 0) ? Effect.as(child.signal("SIGHUP"), true) : Effect.succeed(false)
      ),
      stop: (mode) => Effect.flatMap(child.stop(mode === "fast" ? [FAST, IMMEDIATE, KILL] : [IMMEDIATE, KILL]), whole)
    }
    yield* Effect.acquireRelease(Ref.set(current, running), () => Ref.set(current, null))
    return running
  })

  return Postmaster.of({ start, current: Ref.get(current), warmUp: warmUp(children, options, account) })
}

/**
 * The server that a database is restored into. It belongs to the scope: whatever happens, it is gone with it.
 *
 * Source: `compute_tools/src/bin/fast_import.rs`.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { postgres, type ServerSize } from "../../domain/fastImport/commandLines.ts"
import { failing, JobFailed } from "../../domain/fastImport/JobFailed.ts"
import { whyNotClean } from "../../domain/postgres/ClusterControl.ts"
import { Account } from "../machine/Account.ts"
import { describeEnd } from "../machine/child/Children.ts"
import { awaitReady } from "../postgres/awaitReady.ts"
import { watchOver } from "../postgres/watchdog.ts"
import { createDatabase } from "./database.ts"
import { isWell } from "./Installation.ts"
import { Programs, type Relayed } from "./Programs.ts"
import { attempt } from "./WorkingDirectory.ts"

/** Of a server that is not usable in time, whatever is written about it. */
const NOT_USABLE = 1
const USABLE_WITHIN = "10 minutes"

/** When a job is given up, nothing of the cluster is needed any more. */
const GIVEN_UP = [
  ["SIGQUIT", "5 seconds"],
  ["SIGKILL", Duration.infinity]
] as const
/** Smart first, as it has always been; whoever is still connected after a while is not waited for. */
const IN_ORDER = [
  ["SIGTERM", "1 minute"],
  ["SIGINT", Duration.infinity]
] as const

export interface Server {
  /** Fails when it ends before somebody stops it. */
  readonly died: Effect.Effect<never, JobFailed>
  /** Shuts it down; its data directory is complete then. */
  readonly stop: Effect.Effect<void, JobFailed>
}

const notUsable = (message: string, why: string) => new JobFailed({ message, cause: new Error(why), exit: NOT_USABLE })

const diedOf = ({ ended, lastWords }: Relayed) =>
  Effect.map(ended, (end) => `Postgres ended with ${describeEnd(end)}: ${lastWords()}`)

const stop = Effect.fnUntraced(function* (child: Relayed, pgdata: string) {
  yield* Effect.logInfo("shutdown postgres")
  const ended = yield* Effect.andThen(child.stop(IN_ORDER), child.ended)
  const failed = failing("wait for postgres to shut down")
  if (!isWell(ended)) yield* failed(new Error(`Postgres ended with ${describeEnd(ended)}: ${child.lastWords()}`))
  const control = yield* attempt("wait for postgres to shut down", () =>
    fs.readFileSync(path.join(pgdata, "global", "pg_control"))
  )
  const fault = whyNotClean(control)
  if (fault !== null) yield* failed(new Error(fault))
})

/** Succeeds when the database is there to be filled. */
export const startServer = (
  pgdata: string,
  size: ServerSize
): Effect.Effect<Server, JobFailed, Account | Programs | Scope.Scope> =>
  Effect.gen(function* () {
    const programs = yield* Programs
    const { postgres: account } = yield* Account
    const child = yield* programs
      .start("postgres", postgres(pgdata, size), { ladder: GIVEN_UP })
      .pipe(Effect.withSpan("postgres"), Effect.mapError(failing("spawn postgres")))
    yield* Effect.forkScoped(Effect.andThen(watchOver(pgdata, account), Effect.never))
    yield* Effect.logInfo("spawned postgres, waiting for it to become ready")
    const ready = Effect.andThen(awaitReady(pgdata), createDatabase(pgdata, size.port))
    const diedEarly = Effect.flatMap(diedOf(child), (why) => Effect.fail(notUsable("spawn postgres", why)))
    yield* Effect.raceFirst(ready, diedEarly).pipe(
      Effect.timeoutOrElse({
        duration: USABLE_WITHIN,
        orElse: () => {
          const text = "timeout exceeded: failed to poll postgres and create database within 10 minutes"
          return Effect.andThen(Effect.logError(text), Effect.fail(notUsable("wait for postgres", text)))
        }
      })
    )
    return {
      died: Effect.flatMap(diedOf(child), (why) =>
        Effect.fail(failing("wait for postgres to shut down")(new Error(why)))
      ),
      stop: stop(child, pgdata)
    }
  })

/**
 * A postmaster that outlived the `compute_ctl` which had started it: it must be gone before its files are.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { pidOf } from "../../../domain/postgres/PostmasterPid.ts"
import type { PostgresAccount } from "../../machine/Account.ts"
import { signalPid } from "../../machine/pids.ts"
import { limits } from "../../machine/RegularFile.ts"
import { DataDirectoryFailed } from "./errors.ts"
import { attempt, readText } from "./files.ts"
import { endLeftovers, isPostgres, placesOf, readProcess } from "./leftovers.ts"
import { removeRemains } from "./remains.ts"

/** A fast shutdown writes a checkpoint that nobody will read, so it gets little time. */
const LADDER: ReadonlyArray<readonly [NodeJS.Signals, Duration.Input]> = [
  ["SIGINT", "5 seconds"],
  ["SIGQUIT", "3 seconds"],
  ["SIGKILL", "5 seconds"]
]

/**
 * Whether the process is a Postgres that works in this directory. A pid in a file may long belong to something else, all the
 * more in a container, where numbers start over; a postmaster's working directory is its data directory.
 */
const isPostmasterOf = (pid: number, directory: string, account: PostgresAccount | null): Effect.Effect<boolean> => {
  const uid = account?.uid ?? process.getuid?.()
  if (pid === process.pid || uid === undefined) return Effect.succeed(false)
  return Effect.map(placesOf([pid], uid, account), (places) => places.get(pid) === directory && isPostgres(pid))
}

const awaitEnd = (pid: number, limit: Duration.Input): Effect.Effect<boolean> =>
  Effect.sync(() => readProcess(pid) === null).pipe(
    Effect.repeat({ until: (ended) => ended, schedule: Schedule.spaced("20 millis") }),
    Effect.timeoutOrElse({ duration: limit, orElse: () => Effect.succeed(false) })
  )

const stop = (pid: number, directory: string): Effect.Effect<void, DataDirectoryFailed> =>
  Effect.gen(function* () {
    for (const [signal, limit] of LADDER) {
      yield* Effect.logWarning(`stopping Postgres ${pid}, which an earlier compute_ctl left in ${directory}: ${signal}`)
      yield* signalPid(pid, signal)
      if (yield* awaitEnd(pid, limit)) return
    }
    yield* new DataDirectoryFailed({
      path: directory,
      reason: `Postgres ${pid} of an earlier compute_ctl still runs in it and does not stop`
    })
  })

/** Stops the postmaster of `directory`, if there is one that we can recognize, and whoever works there without one. */
export const stopPredecessor = (
  directory: string,
  account: PostgresAccount | null
): Effect.Effect<void, DataDirectoryFailed> =>
  Effect.gen(function* () {
    const file = path.join(directory, "postmaster.pid")
    const text = yield* Effect.orElseSucceed(readText(file, limits.note), () => null)
    const pid = text === null ? null : pidOf(text)
    if (!fs.existsSync(directory)) return
    const real = yield* attempt(directory, () => fs.realpathSync(directory))
    if (pid !== null && (yield* isPostmasterOf(pid, real, account))) yield* stop(pid, directory)
    if (!(yield* endLeftovers(real, account))) {
      yield* new DataDirectoryFailed({ path: directory, reason: "somebody works in it who cannot be ended" })
    }
    if (text !== null) yield* removeRemains(real, text)
  })

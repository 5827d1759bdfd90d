import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import { heard, inWords } from "../../../domain/postgres/LastWords.ts"
import { type Lsn, parse } from "../../../domain/spec/Lsn.ts"
import type { ParsedSpec } from "../../../domain/spec/ParsedSpec.ts"
import { timedMillis } from "../../compute/clock/timedMillis.ts"
import { Options } from "../../compute/Options.ts"
import { retrying, type Tries } from "../../compute/retrying.ts"
import { Waits } from "../../compute/Waits.ts"
import { Account } from "../../machine/Account.ts"
import { Children, describeEnd } from "../../machine/child/Children.ts"
import { writeLine } from "../../observe/log/StandardError.ts"
import { inCgroup, postgresEnvironment } from "../../postgres/command.ts"
import { reEmit } from "../../postgres/log.ts"
import { SyncFailed } from "./errors.ts"

/** Milliseconds before each further run: a change of the safekeepers' membership ends a run, and is over at once. */
const pauses: ReadonlyArray<number> = [0, 1100, 1210, 1331, 1464.1]

/**
 * One run. Without a quorum the child waits for one; a machine is better off restarted than waiting for longer than this.
 */
const RUN_LIMIT = "10 minutes"

/** Characters of the output that an error repeats. */
const SHOWN = 1000

/** Said by a child that learnt of a newer membership in its election; run again, it campaigns in that one. */
const MOVED = "restarting to adopt mconf generation"

const run = Effect.fnUntraced(function* (spec: ParsedSpec) {
  const options = yield* Options
  const { postgres } = yield* Account
  const children = yield* Children
  const { program, args } = inCgroup(options, ["--sync-safekeepers"])
  const child = yield* children.spawn(program, {
    args,
    env: { PGDATA: options.pgdata, ...postgresEnvironment(options, spec) },
    account: postgres
  })
  let passing = false
  let words: ReadonlyArray<string> = []
  const emit = (line: string) => {
    if (line.includes(MOVED)) passing = true
    words = heard(words, line)
    writeLine(line)
  }
  const log = yield* Effect.forkChild(reEmit(child.stderr, emit))
  const output = yield* Effect.forkChild(
    Stream.runFold(
      child.stdout,
      () => "",
      (text, line) => (text.length > SHOWN ? text : `${text}${line}\n`)
    )
  )
  const ended = yield* child.ended
  const stdout = yield* Fiber.join(output)
  yield* Fiber.join(log)
  const lsn = parse(stdout)
  if (ended._tag === "Exited" && ended.code === 0 && Result.isSuccess(lsn)) return lsn.success
  const shown = stdout.slice(0, SHOWN)
  return yield* new SyncFailed({
    passing,
    message:
      ended._tag === "Exited" && ended.code === 0
        ? `postgres --sync-safekeepers printed no LSN. stdout: ${shown}`
        : `postgres --sync-safekeepers exited with non-zero status: ${describeEnd(ended)}. stdout: ${shown}${inWords(words)}`
  })
}, Effect.scoped)

/** Where the safekeepers agree, and the milliseconds of the run that said so, without those that failed before. */
export interface Synced {
  readonly lsn: Lsn
  readonly tookMs: number
}

const bounded = (spec: ParsedSpec) =>
  Effect.flatMap(Waits, (waits) => waits.within("postgres --sync-safekeepers", RUN_LIMIT)(run(spec))).pipe(
    timedMillis,
    Effect.map(([tookMs, lsn]): Synced => ({ lsn, tookMs }))
  )

type Run = ReturnType<typeof bounded>
type Requirements = Effect.Services<Run>

/** A program that is not there will not be there in a second, and ten minutes without a quorum are enough. */
const asFinal = (error: Failure): SyncFailed =>
  error._tag === "SpawnFailed"
    ? new SyncFailed({ message: `postgres --sync-safekeepers failed to start: ${error.message}` })
    : new SyncFailed({ message: error.message })

type Failure = Effect.Error<Run>

const isOfTheRun = (error: Failure): error is SyncFailed => error._tag === "SyncFailed"

const retried = (spec: ParsedSpec, tries: Omit<Tries<Failure, never>, "whom" | "attempts">) =>
  bounded(spec).pipe(
    retrying({ whom: `safekeepers ${spec.safekeepers.join(", ")}`, attempts: pauses.length + 1, ...tries })
  )

/**
 * One run of the child, bounded, and another for each change of the membership: any other failure may mean that somebody
 * else writes by now, whom a further election would evict.
 */
export const syncAtEnd = (spec: ParsedSpec): Effect.Effect<Synced, SyncFailed, Requirements> =>
  retried(spec, {
    schedule: Schedule.forever,
    passing: (error) => isOfTheRun(error) && error.passing === true,
    failed: ({ error }) => Effect.logInfo(`sync_safekeepers failed, again at once: ${error.message}`)
  }).pipe(Effect.mapError(asFinal))

/** Up to six runs. */
export const fullSync = (spec: ParsedSpec): Effect.Effect<Synced, SyncFailed, Requirements> =>
  retried(spec, {
    schedule: Schedule.modifyDelay(Schedule.forever, ({ attempt }) => Effect.succeed(pauses[attempt - 1] ?? 0)),
    passing: isOfTheRun,
    failed: ({ error, failures }) =>
      Effect.logInfo(`sync_safekeepers failed, will retry (attempt ${failures - 1}): ${error.message}`)
  }).pipe(
    Effect.tapError((error) =>
      isOfTheRun(error)
        ? Effect.logWarning(`sync_safekeepers still failed after ${pauses.length} retries, giving up: ${error.message}`)
        : Effect.void
    ),
    Effect.mapError(asFinal)
  )

/**
 * A job from its spec to what is said of its end. However it ends, nothing that it started is left running by then.
 *
 * Source: `compute_tools/src/bin/fast_import.rs`.
 */
import { constants } from "node:os"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import { JobFailed } from "../../domain/fastImport/JobFailed.ts"
import { ended } from "../../domain/fastImport/JobStatus.ts"
import * as ErrorChain from "../../domain/observe/ErrorChain.ts"
import { StopRequests } from "../../layers/compute/stop/StopRequests.ts"
import { ImportOptions } from "../../layers/fastImport/ImportOptions.ts"
import { openStorage, type Storage } from "../../layers/fastImport/storage/Storage.ts"
import { keepStatus } from "../../layers/fastImport/WorkingDirectory.ts"
import { dumpRestore } from "./dumpRestore.ts"
import { importPgdata } from "./pgdata.ts"

/** How the process ends. */
export interface Outcome {
  readonly exit: number
  /** For stderr: what nobody else was told. */
  readonly complaint: string | null
}

/** As a shell says of a process that a signal has ended. */
const SIGNALLED = 128

/** Fails when somebody wants the job to end. */
const stopped = Effect.gen(function* () {
  const stops = yield* StopRequests
  const reason = yield* stops.await
  return yield* reason._tag === "Signal"
    ? new JobFailed({ message: `stopped by ${reason.signal}`, exit: SIGNALLED + constants.signals[reason.signal] })
    : new JobFailed({ message: "internal error", exit: 1 })
})

const work = Effect.fnUntraced(function* (storage: Storage | null) {
  const { command } = yield* ImportOptions
  const spec = storage === null ? null : yield* storage.spec
  yield* command.name === "pgdata" ? importPgdata(command, storage, spec) : dumpRestore(command, storage, spec)
})

/** Null for success. */
const failureOf = (exit: Exit.Exit<void, JobFailed>): JobFailed | null => {
  if (Exit.isSuccess(exit)) return null
  const failure = exit.cause.reasons.find(Cause.isFailReason)
  return failure?.error ?? new JobFailed({ message: "internal error", cause: Cause.squash(exit.cause), exit: 1 })
}

const conclude = Effect.fnUntraced(function* (storage: Storage | null, failure: JobFailed | null) {
  const { command, statusDetail, workdir } = yield* ImportOptions
  const chain = failure === null ? [] : ErrorChain.messages(failure)
  if (failure !== null) yield* Effect.logError(ErrorChain.line(chain))
  if (storage === null) {
    return { exit: failure === null ? 0 : (failure.exit ?? 1), complaint: failure && ErrorChain.paragraph(chain) }
  }
  yield* Effect.logInfo("write job status to s3")
  const detail = statusDetail ? { causes: chain.slice(1) } : null
  const status = ended(command.name, failure?.message ?? null, detail)
  yield* keepStatus(workdir, "fast_import", status)
  return yield* Effect.match(storage.putStatus("fast_import", status), {
    onSuccess: () => ({ exit: failure?.exit ?? 0, complaint: null }),
    // Whoever waits for the object learns nothing from it, so the process has to say it.
    onFailure: (lost) => ({
      exit: 1,
      complaint: [lost, ...(failure === null ? [] : [failure])]
        .map((error) => ErrorChain.paragraph(ErrorChain.messages(error)))
        .join("\n\n")
    })
  })
})

export const job: Effect.Effect<
  Outcome,
  never,
  Effect.Services<ReturnType<typeof work>> | StopRequests | ImportOptions
> = Effect.gen(function* () {
  const { env, prefix, timeout } = yield* ImportOptions
  const storage = prefix === null ? null : yield* openStorage(prefix, env)
  const limited = Effect.timeoutOrElse(work(storage), {
    duration: timeout === null ? Duration.infinity : Duration.seconds(timeout),
    orElse: () => Effect.fail(new JobFailed({ message: `not done within ${timeout} seconds` }))
  })
  const exit = yield* Effect.exit(Effect.raceFirst(limited, stopped))
  return yield* conclude(storage, failureOf(exit))
}).pipe(Effect.scoped)

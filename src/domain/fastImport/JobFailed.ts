import * as Data from "effect/Data"

/**
 * The job cannot go on. `message` is what the status object says of it; the causes go into the log, and on stderr where there
 * is no status object.
 */
export class JobFailed extends Data.TaggedError("JobFailed")<{
  readonly message: string
  readonly cause?: unknown
  /** Of the process, even where the status object says what went wrong; absent: 0 with such an object, 1 without. */
  readonly exit?: number
}> {}

/** The same failure one step further out. */
export const failing =
  (message: string) =>
  (cause: unknown): JobFailed =>
    new JobFailed({ message, cause })

import * as Data from "effect/Data"

/** No answer, or not all of it; `message` is what the socket, the proxy or the clock said. */
export class HttpFailed extends Data.TaggedError("HttpFailed")<{ readonly message: string }> {}

/** The innermost reason: what wraps it says only that there was one. */
export const reasonOf = (error: unknown): string => {
  if (error instanceof AggregateError && error.errors.length > 0) return reasonOf(error.errors[0])
  if (error instanceof Error) return error.cause === undefined ? error.message : reasonOf(error.cause)
  return typeof error === "string" ? error : "no answer"
}

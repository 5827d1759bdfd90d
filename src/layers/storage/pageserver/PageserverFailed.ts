import * as Data from "effect/Data"

/** `transient` failures are worth another try; the others (refused token, unknown timeline, bad LSN) are not. */
export class PageserverFailed extends Data.TaggedError("PageserverFailed")<{
  readonly message: string
  readonly transient: boolean
  /** SQLSTATE or gRPC status. */
  readonly code: string | null
}> {}

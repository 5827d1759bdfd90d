import * as Data from "effect/Data"

/**
 * The safekeepers could not be brought in sync: `message` is the child's end, or why it could not be run. `passing`: the
 * timeline moved to other safekeepers meanwhile, which the next run knows.
 */
export class SyncFailed extends Data.TaggedError("SyncFailed")<{
  readonly message: string
  readonly passing?: boolean
}> {}

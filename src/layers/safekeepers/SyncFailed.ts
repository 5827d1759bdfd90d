import * as Data from "effect/Data"

/** The safekeepers could not be brought in sync: `message` is the child's end, or why it could not be run. */
export class SyncFailed extends Data.TaggedError("SyncFailed")<{ readonly message: string }> {}

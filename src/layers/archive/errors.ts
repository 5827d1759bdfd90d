import * as Data from "effect/Data"

/** The archive ended early, is not gzip or not tar, or lacks what Postgres needs. */
export class BadBasebackup extends Data.TaggedError("BadBasebackup")<{ readonly message: string }> {}

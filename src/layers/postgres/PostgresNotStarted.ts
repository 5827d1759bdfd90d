import * as Data from "effect/Data"

/** Postgres could not be spawned, ended before it was ready, or took too long. */
export class PostgresNotStarted extends Data.TaggedError("PostgresNotStarted")<{ readonly message: string }> {}

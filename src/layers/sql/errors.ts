import * as Data from "effect/Data"

/**
 * A statement or a connection failed. `message` starts as the original's driver wrote it (`db error: ERROR: ...`,
 * `error connecting to server: ...`).
 */
export class SqlFailed extends Data.TaggedError("SqlFailed")<{
  readonly message: string
  readonly sqlstate: string | null
  readonly hint: string | null
  readonly detail: string | null
}> {
  static of(message: string, sqlstate: string | null = null): SqlFailed {
    return new SqlFailed({ message, sqlstate, hint: null, detail: null })
  }
}

/**
 * Our own sessions with the Postgres we run.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { Client } from "pg"

/** A statement or a connection failed. `message` starts as the original's driver wrote it (`db error: ERROR: ...`, `error connecting to server: ...`). */
export class SqlFailed extends Data.TaggedError("SqlFailed")<{
  readonly message: string
  readonly sqlstate: string | null
  readonly hint: string | null
  readonly detail: string | null
}> {}

export interface SqlSession {
  /** One statement. Interruption cancels it in the server. */
  readonly query: <Row extends object = Record<string, unknown>>(
    text: string,
    values?: ReadonlyArray<unknown>
  ) => Effect.Effect<ReadonlyArray<Row>, SqlFailed>
  /** Several statements by the simple protocol, in one round trip; nothing is returned. */
  readonly script: (text: string) => Effect.Effect<void, SqlFailed>
  /** For what the two do not cover: cursors, COPY, pipelining. */
  readonly client: Client
}

export interface SessionOptions {
  readonly applicationName: string
  /** Default: the one of `--connstr`. */
  readonly database?: string
  /**
   * Maintenance session: falls back to `zenith_admin` on clusters without `cloud_admin`, and switches `neon.forward_ddl` off,
   * because the control plane already knows what we are about to change.
   */
  readonly maintenance?: boolean
  readonly connectTimeout?: Duration.DurationInput
}

export class Sql extends Context.Tag("compute/Sql")<
  Sql,
  {
    /** Opens a connection that closes with the scope; the driver is loaded at the first call. */
    readonly session: (options: SessionOptions) => Effect.Effect<SqlSession, SqlFailed, Scope.Scope>
  }
>() {}

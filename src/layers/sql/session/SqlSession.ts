/**
 * A session with Postgres, and how to ask for one.
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { Purpose } from "../../../domain/postgres/session/SessionLimits.ts"
import type { SqlFailed } from "../errors.ts"
import type { Argument } from "../values.ts"

/** One statement is sent after the other. */
export interface SqlSession {
  /** One statement. Interruption cancels it in the server. */
  readonly query: <Row extends object = Record<string, unknown>>(
    text: string,
    values?: ReadonlyArray<Argument>
  ) => Effect.Effect<ReadonlyArray<Row>, SqlFailed>
  /** Several statements by the simple protocol, in one round trip; nothing is returned. */
  readonly script: (text: string) => Effect.Effect<void, SqlFailed>
  /** The process id of its backend; null when the server did not tell. */
  readonly backend: number | null
}

export interface SessionOptions {
  readonly applicationName: string
  /** Another way to the same server. Default: `--connstr`. */
  readonly connstr?: string
  /** Default: the one of the connection string. */
  readonly database?: string
  /**
   * Maintenance session: falls back to `zenith_admin` on clusters without `cloud_admin`, switches `neon.forward_ddl` off,
   * because the control plane already knows what we are about to change, and tries again while the server starts up.
   */
  readonly maintenance?: boolean
  /** Decides how long it waits for locks, answers and connections. Default: `apply` for maintenance, else `question`. */
  readonly purpose?: Purpose
  /** `-c name=value ...`, after our own options and before those of `--connstr`. */
  readonly moreOptions?: string
  /** Default: what the purpose allows. */
  readonly connectTimeout?: Duration.Input
}

export const purposeOf = ({ maintenance, purpose }: SessionOptions): Purpose =>
  purpose ?? (maintenance === true ? "apply" : "question")

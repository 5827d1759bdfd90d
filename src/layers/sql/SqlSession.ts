/**
 * A session with Postgres, and how to ask for one.
 */
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type { Client } from "pg"
import type { SqlFailed } from "./SqlFailed.ts"

export interface SqlSession {
  /** One statement. Interruption cancels it in the server. */
  readonly query: <Row extends object = Record<string, unknown>>(
    text: string,
    values?: ReadonlyArray<unknown>
  ) => Effect.Effect<ReadonlyArray<Row>, SqlFailed>
  /** Several statements by the simple protocol, in one round trip; nothing is returned. */
  readonly script: (text: string) => Effect.Effect<void, SqlFailed>
  /** For what the two do not cover: cursors, COPY, notices. */
  readonly client: Client
}

export interface SessionOptions {
  readonly applicationName: string
  /** Another way to the same server. Default: `--connstr`. */
  readonly connstr?: string
  /** Default: the one of the connection string. */
  readonly database?: string
  /**
   * Maintenance session: falls back to `zenith_admin` on clusters without `cloud_admin`, switches `neon.forward_ddl` off,
   * because the control plane already knows what we are about to change, waits for a lock at most a minute, and tries
   * again for ten seconds while the server starts up or has no free slot.
   */
  readonly maintenance?: boolean
  /** Statements are written as they are issued, without waiting for the answers to earlier ones. Excludes cursors and COPY. */
  readonly pipeline?: boolean
  /** `-c name=value ...`, after our own options and before those of `--connstr`. */
  readonly moreOptions?: string
  /** Default: 10 s. */
  readonly connectTimeout?: Duration.Input
}

export interface PoolOptions extends Omit<SessionOptions, "maintenance" | "pipeline"> {
  /** Default: 2, so that a cancel request never waits for the connection it is to free. */
  readonly maxConnections?: number
}

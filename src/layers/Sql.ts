/**
 * Our own sessions with the Postgres we run.
 *
 * Source: `compute_tools/src/compute.rs` (`get_maintenance_client`, the options of `tokio_postgres::Config`).
 */
import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Client } from "pg"
import { Options } from "./Options.ts"
import { SqlFailed } from "./sql/SqlFailed.ts"

export { SqlFailed }

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
  /** Default: the one of `--connstr`. */
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
  readonly connectTimeout?: Duration.DurationInput
}

export interface PoolOptions extends Omit<SessionOptions, "maintenance" | "pipeline"> {
  /** Default: 2, so that a cancel request never waits for the connection it is to free. */
  readonly maxConnections?: number
}

export class Sql extends Context.Tag("compute/Sql")<
  Sql,
  {
    /** Opens a connection that closes with the scope; the driver is loaded at the first call. */
    readonly session: (options: SessionOptions) => Effect.Effect<SqlSession, SqlFailed, Scope.Scope>
    /** A client for what asks again and again: connections are kept for a while and made anew when they break. */
    readonly pool: (options: PoolOptions) => Effect.Effect<PgClient, SqlFailed, Scope.Scope>
  }
>() {
  /** Sessions to `--connstr`. */
  static readonly layer = Layer.effect(
    this,
    Effect.map(Options, (options) => Sql.to(options.connstr))
  )

  static readonly layerTo = (connstr: string) => Layer.sync(this, () => Sql.to(connstr))

  private static readonly to = (connstr: string) =>
    Sql.of({
      session: (options) => Effect.flatMap(loadSession, ({ open }) => open(connstr, options)),
      pool: (options) => Effect.flatMap(loadPool, ({ open }) => open(connstr, options))
    })
}

const loadSession = Effect.promise(() => import("./sql/session.ts"))
const loadPool = Effect.promise(() => import("./sql/pool.ts"))

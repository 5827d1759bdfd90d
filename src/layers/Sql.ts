/**
 * Our own sessions with the Postgres we run.
 *
 * Source: `compute_tools/src/compute.rs` (`get_maintenance_client`, the options of `tokio_postgres::Config`).
 */
import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Options } from "./Options.ts"
import type { ClientConfig as Target } from "./sql/connection.ts"
import { meetVersion } from "./sql/ServerVersion.ts"
import type { SqlFailed } from "./sql/SqlFailed.ts"
import type { PoolOptions, SessionOptions, SqlSession } from "./sql/SqlSession.ts"

export { SqlFailed } from "./sql/SqlFailed.ts"
export type { PoolOptions, SessionOptions, SqlSession } from "./sql/SqlSession.ts"

export class Sql extends Context.Tag("compute/Sql")<
  Sql,
  {
    /** Opens a connection that closes with the scope; the driver is loaded at the first call. */
    readonly session: (options: SessionOptions) => Effect.Effect<SqlSession, SqlFailed, Scope.Scope>
    /** A client for what asks again and again: connections are kept for a while and made anew when they break. */
    readonly pool: (options: PoolOptions) => Effect.Effect<PgClient, SqlFailed, Scope.Scope>
    /** Where, as whom and with which options a session would be opened: for what speaks to the server itself. */
    readonly target: (options: SessionOptions) => Effect.Effect<Target>
  }
>() {
  /** Sessions to `--connstr`, the server of our data directory. */
  static readonly layer = Layer.effect(
    this,
    Effect.map(Options, ({ connstr, pgdata }) => Sql.to(connstr, pgdata))
  )

  static readonly layerTo = (connstr: string) => Layer.sync(this, () => Sql.to(connstr, null))

  private static readonly to = (connstr: string, pgdata: string | null) => {
    const met = meetVersion(pgdata)
    return Sql.of({
      session: (options) => Effect.flatMap(loadSession, ({ open }) => open(connstr, options, met)),
      pool: (options) => Effect.flatMap(loadPool, ({ open }) => open(connstr, options, met)),
      target: (options) =>
        Effect.map(loadConnection, ({ clientConfig }) => clientConfig(connstr, options, met.expected()))
    })
  }
}

const loadSession = Effect.promise(() => import("./sql/session.ts"))
const loadPool = Effect.promise(() => import("./sql/pool.ts"))
const loadConnection = Effect.promise(() => import("./sql/connection.ts"))

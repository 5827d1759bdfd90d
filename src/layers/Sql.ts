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

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
import { synchronousCommit } from "../../domain/postgres/SessionOptions.ts"
import { ComputeState } from "../compute/ComputeState.ts"
import { Options } from "../compute/Options.ts"
import type { ClientConfig as Target } from "./connection.ts"
import type { Server } from "./Server.ts"
import { meetVersion } from "./ServerVersion.ts"
import type { SqlFailed } from "./SqlFailed.ts"
import type { PoolOptions, SessionOptions, SqlSession } from "./SqlSession.ts"

export { SqlFailed } from "./SqlFailed.ts"
export type { PoolOptions, SessionOptions, SqlSession } from "./SqlSession.ts"

export class Sql extends Context.Service<
  Sql,
  {
    /** Opens a connection that closes with the scope; the driver is loaded at the first call. */
    readonly session: (options: SessionOptions) => Effect.Effect<SqlSession, SqlFailed, Scope.Scope>
    /** A client for what asks again and again: connections are kept for a while and made anew when they break. */
    readonly pool: (options: PoolOptions) => Effect.Effect<PgClient, SqlFailed, Scope.Scope>
    /** Where, as whom and with which options a session would be opened: for what speaks to the server itself. */
    readonly target: (options: SessionOptions) => Effect.Effect<Target>
  }
>()("compute/Sql") {
  /** Sessions to `--connstr`, the server of our data directory. */
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const { connstr, pgdata } = yield* Options
      const state = yield* ComputeState
      const commit = Effect.map(state.get, ({ spec }) => (spec === null ? null : synchronousCommit(spec.spec)))
      return Sql.to({ connstr, met: meetVersion(pgdata), commit })
    })
  )

  static readonly layerTo = (connstr: string) =>
    Layer.sync(this, () => Sql.to({ connstr, met: meetVersion(null), commit: Effect.succeed(null) }))

  private static readonly to = (server: Server) =>
    Sql.of({
      session: (options) => Effect.flatMap(loadSession, ({ open }) => open(server, options)),
      pool: (options) => Effect.flatMap(loadPool, ({ open }) => open(server, options)),
      target: (options) =>
        Effect.zipWith(loadConnection, server.commit, ({ clientConfig }, commit) =>
          clientConfig(server.connstr, options, { version: server.met.expected(), commit })
        )
    })
}

const loadSession = Effect.promise(() => import("./session.ts"))
const loadPool = Effect.promise(() => import("./pool.ts"))
const loadConnection = Effect.promise(() => import("./connection.ts"))

/**
 * Our own sessions with the Postgres we run.
 *
 * Source: `compute_tools/src/compute.rs` (`get_maintenance_client`, the options of `tokio_postgres::Config`).
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import type { Purpose } from "../../domain/postgres/session/SessionLimits.ts"
import { synchronousCommit } from "../../domain/postgres/session/SessionOptions.ts"
import { ComputeState } from "../compute/ComputeState.ts"
import { Options } from "../compute/Options.ts"
import type { ClientConfig as Target } from "./connection.ts"
import type { SqlFailed } from "./errors.ts"
import { makePlaces } from "./places.ts"
import type { Server } from "./Server.ts"
import { meetVersion } from "./ServerVersion.ts"
import type { SessionOptions, SqlSession } from "./session/SqlSession.ts"

export { SqlFailed } from "./errors.ts"
export type { SessionOptions, SqlSession } from "./session/SqlSession.ts"

export class Sql extends Context.Service<
  Sql,
  {
    /** Opens a connection that closes with the scope; what it takes is loaded at the first call. */
    readonly session: (options: SessionOptions) => Effect.Effect<SqlSession, SqlFailed, Scope.Scope>
    /** A place among our sessions for one that somebody else opens; given back with the scope. */
    readonly place: (purpose: Purpose) => Effect.Effect<void, never, Scope.Scope>
    /** The server had no connection for one of ours a short time ago: a session that is only kept is better given back. */
    readonly isCrowded: () => boolean
    /** Where, as whom and with which options a session would be opened: for what speaks to the server itself. */
    readonly target: (options: SessionOptions) => Effect.Effect<Target, SqlFailed>
  }
>()("compute/Sql") {
  /** Sessions to `--connstr`, the server of our data directory. */
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const { connstr, pgdata } = yield* Options
      const state = yield* ComputeState
      const commit = Effect.map(state.get, ({ spec }) => (spec === null ? null : synchronousCommit(spec.spec)))
      return Sql.to({ connstr, isOurs: true, met: meetVersion(pgdata), commit })
    })
  )

  static readonly layerTo = (connstr: string) =>
    Layer.sync(this, () => Sql.to({ connstr, isOurs: false, met: meetVersion(null), commit: Effect.succeed(null) }))

  private static readonly to = (given: Omit<Server, "places" | "lockedOut">) => {
    const server: Server = {
      ...given,
      places: makePlaces(() => performance.now()),
      lockedOut: { at: Number.NEGATIVE_INFINITY }
    }
    return Sql.of({
      session: (options) => Effect.flatMap(loadSession, ({ open }) => open(server, options)),
      place: server.places.place,
      isCrowded: server.places.isCrowded,
      target: (options) =>
        Effect.flatMap(Effect.zip(loadConnection, server.commit), ([{ clientConfig }, commit]) =>
          Effect.fromResult(clientConfig(server.connstr, options, { version: server.met.expected(), commit }))
        )
    })
  }
}

const loadSession = Effect.promise(() => import("./session/session.ts"))
const loadConnection = Effect.promise(() => import("./connection.ts"))

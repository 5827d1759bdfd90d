/**
 * `@effect/sql-pg` on a pool that carries our startup options.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Pool } from "pg"
import { clientConfig } from "./connection.ts"
import { connectFailed } from "./failures.ts"
import type { Server } from "./Server.ts"
import type { SqlFailed } from "./SqlFailed.ts"
import type { PoolOptions } from "./SqlSession.ts"
import { open as openSession } from "./session.ts"

const acquirePool = ({ commit, connstr, met }: Server, options: PoolOptions) =>
  Effect.acquireRelease(
    Effect.map(commit, (wanted) => {
      const pool = new Pool({
        ...clientConfig(connstr, options, { version: met.expected(), commit: wanted }),
        max: options.maxConnections ?? 2,
        connectionTimeoutMillis: Duration.toMillis(options.connectTimeout ?? "10 seconds"),
        allowExitOnIdle: true
      })
      // A connection that breaks while idle is replaced at the next use.
      pool.on("error", () => undefined)
      return pool
    }),
    (pool) => Effect.promise(() => pool.end().catch(() => undefined))
  )

/** A pool cannot try its options: a session does it first when nobody has told the server's version yet. */
const meet = (server: Server, options: PoolOptions) =>
  server.met.isKnown() ? Effect.void : Effect.scoped(Effect.asVoid(openSession(server, options)))

export const open = (server: Server, options: PoolOptions): Effect.Effect<PgClient.PgClient, SqlFailed, Scope.Scope> =>
  Effect.suspend(() => meet(server, options)).pipe(
    Effect.zipRight(
      Layer.build(PgClient.layerFromPool({ acquire: acquirePool(server, options) })).pipe(
        Effect.flatMap((context) => Effect.provide(PgClient.PgClient, context)),
        Effect.mapError((error) => connectFailed("cause" in error ? error.cause : error))
      )
    )
  )

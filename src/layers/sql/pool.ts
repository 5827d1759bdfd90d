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
import type { SqlFailed } from "./SqlFailed.ts"
import type { PoolOptions } from "./SqlSession.ts"

const acquirePool = (connstr: string, options: PoolOptions) =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const pool = new Pool({
        ...clientConfig(connstr, options),
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

export const open = (connstr: string, options: PoolOptions): Effect.Effect<PgClient.PgClient, SqlFailed, Scope.Scope> =>
  Layer.build(PgClient.layerFromPool({ acquire: acquirePool(connstr, options) })).pipe(
    Effect.flatMap((context) => Effect.provide(PgClient.PgClient, context)),
    Effect.mapError((error) => connectFailed("cause" in error ? error.cause : error))
  )

/**
 * `@effect/sql-pg`'s pool with our startup options.
 */
import * as PgClient from "@effect/sql-pg/PgClient"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import { clientConfig } from "./connection.ts"
import { connectFailed } from "./failures.ts"
import { entering } from "./patience.ts"
import type { Server } from "./Server.ts"
import type { SqlFailed } from "./SqlFailed.ts"
import { type PoolOptions, purposeOf } from "./SqlSession.ts"
import { open as openSession } from "./session.ts"

const poolTo = ({ commit, connstr, met }: Server, options: PoolOptions) =>
  Effect.map(commit, (wanted) => {
    const config = clientConfig(connstr, options, { version: met.expected(), commit: wanted })
    const { host, port } = config
    return PgClient.layer({
      ...(host.startsWith("/") ? { path: `${host}/.s.PGSQL.${port}` } : { host }),
      port,
      username: config.user,
      password: Redacted.make(config.password),
      database: config.database,
      applicationName: config.application_name,
      startupOptions: config.options,
      ssl: config.ssl,
      maxConnections: options.maxConnections ?? 1,
      connectTimeout: options.connectTimeout ?? "10 seconds"
    })
  })

/** A pool cannot try its options: a session does it first when nobody has told the server's version yet. */
const meet = (server: Server, options: PoolOptions) =>
  server.met.isKnown() ? Effect.void : Effect.scoped(Effect.asVoid(openSession(server, options)))

/** The first connection is there when it succeeds: a server that has none is known then, and waited for. */
const build = (server: Server, options: PoolOptions) =>
  Effect.suspend(() => poolTo(server, options)).pipe(
    Effect.flatMap(Layer.build),
    Effect.map((context) => Context.get(context, PgClient.PgClient)),
    Effect.tap((client) => client.unsafe("SELECT 1")),
    Effect.mapError((error) => connectFailed(error.reason.cause))
  )

export const open = (server: Server, options: PoolOptions): Effect.Effect<PgClient.PgClient, SqlFailed, Scope.Scope> =>
  Effect.andThen(
    Effect.suspend(() => meet(server, options)),
    entering(server.places, purposeOf(options), build(server, options))
  )

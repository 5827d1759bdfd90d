/**
 * The metrics that Postgres itself exports: the neon extension serves them on a Unix socket in the data directory.
 *
 * Source: `compute_tools/src/communicator_socket_client.rs`, `compute_tools/src/http/routes/autoscaling_metrics.rs`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as RcRef from "effect/RcRef"
import { Options } from "../../compute/Options.ts"
import { shared } from "../../compute/shared.ts"
import { Sql } from "../../sql/Sql.ts"
import { type Exported, ExporterFailed } from "./Exported.ts"

export { type Exported, ExporterFailed }

/** How long a session is kept for the next scrape. */
const KEPT = "1 minute"
const LIMIT = "5 seconds"

export class PostgresExporter extends Context.Service<
  PostgresExporter,
  {
    /**
     * The answer of the socket as it is. Without a socket and where the process allows it, the same families from SQL. Who
     * asks while somebody else does gets the next answer together with all others.
     */
    readonly autoscaling: Effect.Effect<Exported, ExporterFailed>
  }
>()("compute/PostgresExporter") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const { pgdata, autoscalingMetricsFromSql = false } = yield* Options
      const sql = yield* Sql
      const fromSocket = Effect.flatMap(loadSocket, ({ request }) => request(pgdata, "/autoscaling_metrics"))
      const fromSql = yield* makeFromSql(sql)
      const ask = autoscalingMetricsFromSql
        ? Effect.catchIf(
            fromSocket,
            ({ unreachable }) => unreachable,
            (error) => Effect.mapError(fromSql, () => error)
          )
        : fromSocket
      return PostgresExporter.of({ autoscaling: yield* shared(ask) })
    })
  )
}

/**
 * By a session that is kept, since to open one costs ten times what it is asked. Where the server has no connection for
 * us, it is given back at once.
 */
const makeFromSql = Effect.fnUntraced(function* (sql: Sql["Service"]) {
  const session = yield* RcRef.make({
    acquire: Effect.flatMap(loadSql, ({ open }) => open(sql)),
    idleTimeToLive: KEPT
  })
  const giveBack = RcRef.invalidate(session)
  const once = Effect.flatten(RcRef.get(session)).pipe(
    Effect.tapError(() => giveBack),
    Effect.tap(() => (sql.isCrowded() ? giveBack : Effect.void)),
    Effect.scoped
  )
  // The server may have been another one since.
  return Effect.timeout(Effect.retry(once, { times: 1 }), LIMIT)
})

const loadSocket = Effect.promise(() => import("./socket.ts"))
const loadSql = Effect.promise(() => import("./lfcFromSql.ts"))

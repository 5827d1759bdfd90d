/**
 * The metrics that Postgres itself exports: the neon extension serves them on a Unix socket in the data directory.
 *
 * Source: `compute_tools/src/communicator_socket_client.rs`, `compute_tools/src/http/routes/autoscaling_metrics.rs`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Options } from "../../compute/Options.ts"
import { Sql } from "../../sql/Sql.ts"
import { type Exported, ExporterFailed } from "./Exported.ts"

export { type Exported, ExporterFailed }

export class PostgresExporter extends Context.Service<
  PostgresExporter,
  {
    /** The answer of the socket as it is. Without a socket and where the process allows it, the same families from SQL. */
    readonly autoscaling: Effect.Effect<Exported, ExporterFailed, Scope.Scope>
  }
>()("compute/PostgresExporter") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const { pgdata, autoscalingMetricsFromSql = false } = yield* Options
      const sql = yield* Sql
      const fromSocket = Effect.flatMap(loadSocket, ({ request }) => request(pgdata, "/autoscaling_metrics"))
      const fromSql = Effect.flatMap(loadSql, ({ collect }) => collect).pipe(Effect.provideService(Sql, sql))
      return PostgresExporter.of({
        autoscaling: autoscalingMetricsFromSql
          ? Effect.catchIf(
              fromSocket,
              ({ unreachable }) => unreachable,
              (error) => Effect.mapError(fromSql, () => error)
            )
          : fromSocket
      })
    })
  )
}

const loadSocket = Effect.promise(() => import("./socket.ts"))
const loadSql = Effect.promise(() => import("./lfcFromSql.ts"))

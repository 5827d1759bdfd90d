/**
 * The switch that keeps the apply workers of logical replication down until subscriptions inherited from the parent
 * branch are dropped.
 *
 * Source: `compute_tools/src/compute.rs`, `compute_tools/src/spec_apply.rs` (`FinalizeDropLogicalSubscriptions`).
 */
import * as Effect from "effect/Effect"
import { anyFault, schemaFault, subscriptionsDone, tableFault, tableName } from "../../domain/catalog/Ownership.ts"
import { named } from "../../domain/catalog/plan/Step.ts"
import { notOurs } from "../../layers/catalog/ours.ts"
import { Waits } from "../../layers/compute/Waits.ts"
import { Sql } from "../../layers/sql/Sql.ts"

/** Stands after the generated part of `postgresql.conf`, so that it wins. */
export const SUBSCRIBERS_ON = "neon.disable_logical_replication_subscribers=false"

const LIMIT = "3 seconds"

const TABLE = `SELECT pg_catalog.to_regclass('neon.drop_subscriptions_done') IS NOT NULL AS there,
  ${anyFault(schemaFault("neon"), tableFault(subscriptionsDone))} AS fault`

/** Whether the drop has been recorded for this timeline. False also when nobody could say so in time. */
export const subscriptionsDropped = Effect.fnUntraced(
  function* (timelineId: string) {
    const sql = yield* Sql
    const waits = yield* Waits
    return yield* Effect.gen(function* () {
      const session = yield* sql.session({ applicationName: "compute_ctl:apply_config", purpose: "probe" })
      const [table] = yield* session.query<{ readonly there: boolean; readonly fault: string | null }>(TABLE)
      if (table?.there !== true) return false
      if (table.fault !== null) return yield* notOurs(named("table", tableName(subscriptionsDone)), table.fault)
      const rows = yield* session.query(
        "SELECT 1 FROM neon.drop_subscriptions_done WHERE timeline_id OPERATOR(pg_catalog.=) $1",
        [timelineId]
      )
      return rows.length > 0
    }).pipe(Effect.scoped, waits.within("record of dropped subscriptions", LIMIT))
  },
  Effect.catch((error) =>
    Effect.as(Effect.logWarning(`could not see whether subscriptions were dropped: ${error.message}`), false)
  )
)

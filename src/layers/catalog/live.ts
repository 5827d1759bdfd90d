/**
 * The catalog service: one apply at a time, one memory of what is settled, one lift of the size limit for all.
 */

import type { PgClient } from "@effect/sql-pg/PgClient"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as RcRef from "effect/RcRef"
import * as Ref from "effect/Ref"
import * as Semaphore from "effect/Semaphore"
import { applySeconds } from "../../domain/observe/MetricFamilies.ts"
import type { ParsedSpec } from "../../domain/spec/ParsedSpec.ts"
import { Failpoints } from "../compute/Failpoints.ts"
import { Options } from "../compute/Options.ts"
import { Waits } from "../compute/Waits.ts"
import { Metrics, timed } from "../observe/Metrics.ts"
import { Sql } from "../sql/Sql.ts"
import { type ApplyParts, runApply } from "./apply/apply.ts"
import { type Journal, makeJournal } from "./apply/journal.ts"
import { migrate } from "./apply/migrate.ts"
import { makeSettled } from "./apply/settled.ts"
import { makeSizeLimit } from "./apply/sizeLimit.ts"
import type { ApplyOptions, Catalog } from "./Catalog.ts"
import { makeConclude } from "./conclude.ts"
import { dryRun } from "./look/dryRun.ts"
import { makeInstalledExtensions } from "./look/installedExtensions.ts"
import { checkWritability, insights, installExtension, objects, setRoleGrants } from "./look/requests.ts"
import { schemaDump } from "./look/schemaDump.ts"

/** A client for what is asked over HTTP again and again; it is opened by the first question and closed some time after the last. */
const makeQuestions = (sql: Sql["Service"], applicationName: string) =>
  Effect.map(
    RcRef.make({ acquire: sql.pool({ applicationName }), idleTimeToLive: "30 seconds" }),
    (client) =>
      <A, E>(ask: (client: PgClient) => Effect.Effect<A, E>) =>
        Effect.scoped(Effect.flatMap(RcRef.get(client), ask))
  )

/** What a test says through its failpoint. */
const migrationToFail = Effect.flatMap(Failpoints, ({ hit }) =>
  Effect.map(hit("compute-migration"), Option.match({ onNone: () => null, onSome: Number }))
)

export const make = (faults: { readonly failMigrationAt?: number }) =>
  Effect.gen(function* () {
    const sql = yield* Sql
    const metrics = yield* Metrics
    const waits = yield* Waits
    const { privilegedRole, lakebaseMode, pgbin } = yield* Options
    const sizeLimit = yield* makeSizeLimit
    const settled = yield* makeSettled
    const installedExtensions = yield* makeInstalledExtensions(sql, metrics)
    const last = yield* Ref.make<Journal | null>(null)
    const oneAtATime = yield* Semaphore.make(1)
    const conclude = makeConclude(metrics)
    const settings = { privilegedRole, lakebase: lakebaseMode }
    const parts: ApplyParts = { sql, settings, settled, sizeLimit }

    const askObjects = yield* makeQuestions(sql, "compute_ctl:get_dbs_and_roles")
    const askInsights = yield* makeQuestions(sql, "compute_ctl:collect_insights")

    const apply = (spec: ParsedSpec, options: ApplyOptions) =>
      Effect.gen(function* () {
        const journal = yield* makeJournal(options.phase)
        yield* Ref.set(last, journal)
        const failures = yield* runApply(spec, options, journal, parts).pipe(
          Effect.scoped,
          Effect.onExit((exit) =>
            exit._tag === "Failure" && Cause.hasInterruptsOnly(exit.cause)
              ? journal.closed("interrupted", "interrupted")
              : Effect.void
          ),
          Effect.catch((error) => conclude.broken(journal, error))
        )
        return yield* conclude.finished(journal, failures)
      }).pipe(
        timed(applySeconds, { phase: options.phase }),
        Effect.provideService(Metrics, metrics),
        oneAtATime.withPermits(1),
        waits.openEnded("catalog to match the spec"),
        Effect.withSpan("apply_spec_sql", { attributes: { trigger: options.phase } })
      )

    const service: Catalog["Service"] = {
      apply,
      plan: (spec) => dryRun(sql, settings, spec),
      lastApply: Effect.flatMap(Ref.get(last), (journal) => (journal === null ? Effect.succeed(null) : journal.report)),
      migrate: () =>
        Effect.flatMap(migrationToFail, (id) =>
          migrate(sql, metrics, sizeLimit, privilegedRole, faults.failMigrationAt ?? id)
        ),
      updateNeonExtension: sql.session({ applicationName: "compute_ctl:post_apply_config" }).pipe(
        Effect.flatMap((session) => session.script("ALTER EXTENSION neon UPDATE")),
        Effect.scoped
      ),
      installedExtensions,
      objects: askObjects(objects),
      schemaDump: (database) => schemaDump(sql, pgbin, database),
      checkWritability: checkWritability(sql),
      insights: askInsights(insights),
      installExtension: (request) => installExtension(sql, request),
      setRoleGrants: (request) => setRoleGrants(sql, request)
    }
    return service
  })

/**
 * The catalog service: one apply at a time, one memory of what is settled, one lift of the size limit for all.
 */

import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as RcMap from "effect/RcMap"
import * as Ref from "effect/Ref"
import * as Semaphore from "effect/Semaphore"
import { anyFault, extensionFault, schemaFault } from "../../domain/catalog/Ownership.ts"
import { named } from "../../domain/catalog/plan/Step.ts"
import type { FailedDatabase } from "../../domain/catalog/Report.ts"
import { limits } from "../../domain/postgres/session/SessionLimits.ts"
import type { ParsedSpec } from "../../domain/spec/ParsedSpec.ts"
import { Failpoints } from "../compute/Failpoints.ts"
import { tell } from "../compute/History.ts"
import { Options } from "../compute/Options.ts"
import { shared } from "../compute/shared.ts"
import { Waits } from "../compute/Waits.ts"
import { Metrics, timed } from "../observe/Metrics.ts"
import { Sql, SqlFailed } from "../sql/Sql.ts"
import { type ApplyOptions, type ApplyParts, runApply } from "./apply/apply.ts"
import { type Journal, makeJournal } from "./apply/journal/journal.ts"
import { migrate } from "./apply/migrate.ts"
import { makeSizeLimit } from "./apply/obstacles/sizeLimit.ts"
import { makeSettled } from "./apply/settled.ts"
import type { Catalog } from "./Catalog.ts"
import { makeConclude } from "./conclude.ts"
import { dryRun } from "./look/dryRun.ts"
import { makeInstalledExtensions } from "./look/installedExtensions.ts"
import { checkWritability, facts, insights, installExtension, objects, setRoleGrants } from "./look/requests.ts"
import { makeDumps } from "./look/schemaDump.ts"
import { ensureOurs } from "./ours.ts"

/** Its script runs with our rights, and finds what is in its schema. */
const NEON = anyFault(extensionFault("neon"), schemaFault("neon"))

/** What a test says through its failpoint. */
const migrationToFail = Effect.flatMap(Failpoints, ({ hit }) =>
  Effect.map(hit("compute-migration"), Option.match({ onNone: () => null, onSome: Number }))
)

const WAIT = "catalog to match the spec"

const CONNECTING = "session with Postgres"

const connecting =
  (waits: Waits["Service"]): ApplyParts["connecting"] =>
  (opening) =>
    Effect.catchTag(waits.within(CONNECTING, limits.apply.connect)(opening), "WaitExpired", ({ message }) =>
      Effect.fail(SqlFailed.of(message))
    )

/** `failed`: what the last apply could not do in databases. */
export const make = Effect.fnUntraced(function* (failed: Ref.Ref<ReadonlyArray<FailedDatabase>>) {
  const sql = yield* Sql
  const metrics = yield* Metrics
  const waits = yield* Waits
  const { privilegedRole, lakebaseMode, pgbin } = yield* Options
  const sizeLimit = yield* makeSizeLimit
  const settled = yield* makeSettled
  const installedExtensions = yield* makeInstalledExtensions(sql, metrics)
  const last = yield* Ref.make<Journal | null>(null)
  const oneAtATime = yield* Semaphore.make(1)
  const conclude = makeConclude(metrics, lakebaseMode)
  const settings = { privilegedRole, lakebase: lakebaseMode }
  const parts: ApplyParts = {
    sql,
    settings,
    settled,
    sizeLimit,
    note: waits.note(WAIT),
    connecting: connecting(waits)
  }

  const askObjects = yield* shared(objects(sql))
  const askInsights = yield* shared(insights(sql))
  const askFacts = yield* shared(facts(sql))
  const askWritability = yield* shared(checkWritability(sql))
  const onePlan = yield* Semaphore.make(1)
  const turns = yield* RcMap.make({ lookup: (_database: string) => Semaphore.make(1) })
  const dumps = yield* makeDumps(sql, pgbin)

  /** One at a time in each: what waits for a lock in one database keeps nobody else's waiting. */
  const inDatabase = <A, E>(database: string, work: Effect.Effect<A, E>) =>
    Effect.scoped(Effect.flatMap(RcMap.get(turns, database), (turn) => turn.withPermits(1)(work)))

  const apply = (spec: ParsedSpec, options: ApplyOptions) =>
    Effect.gen(function* () {
      const journal = yield* makeJournal(options.phase)
      yield* tell({ kind: "apply", trigger: options.phase, state: "running", duration_ms: null, error: null })
      yield* Ref.set(last, journal)
      const applied = yield* runApply(spec, options, journal, parts).pipe(
        Effect.scoped,
        Effect.onExit((exit) =>
          exit._tag === "Failure" && Cause.hasInterruptsOnly(exit.cause)
            ? journal.closed("interrupted", "interrupted")
            : Effect.void
        ),
        Effect.catch((error) => conclude.broken(journal, error))
      )
      const forgiving = options.forgiving ?? false
      return yield* conclude
        .finished(journal, applied, forgiving)
        .pipe(Effect.ensuring(Effect.flatMap(journal.report, (report) => Ref.set(failed, report.failed_databases))))
    }).pipe(
      timed("catalog"),
      Effect.provideService(Metrics, metrics),
      oneAtATime.withPermits(1),
      waits.openEnded(WAIT),
      Effect.withSpan("apply_spec_sql", { attributes: { trigger: options.phase } })
    )

  const service: Omit<Catalog["Service"], "failedDatabases"> = {
    apply,
    plan: (spec) => onePlan.withPermits(1)(dryRun(sql, settings, spec)),
    lastApply: Effect.flatMap(Ref.get(last), (journal) => (journal === null ? Effect.succeed(null) : journal.report)),
    migrate: () => Effect.flatMap(migrationToFail, (id) => migrate(sql, metrics, sizeLimit, privilegedRole, id)),
    updateNeonExtension: sql.session({ applicationName: "compute_ctl:post_apply_config", purpose: "change" }).pipe(
      Effect.tap((session) => ensureOurs(session, named("extension", "neon"), NEON)),
      Effect.flatMap((session) => session.script("ALTER EXTENSION neon UPDATE")),
      Effect.scoped
    ),
    installedExtensions,
    objects: askObjects,
    schemaDump: dumps,
    checkWritability: askWritability,
    insights: askInsights,
    facts: askFacts,
    installExtension: (request) => inDatabase(request.database, installExtension(sql, request)),
    setRoleGrants: (request) => inDatabase(request.database, setRoleGrants(sql, request))
  }
  return service
})

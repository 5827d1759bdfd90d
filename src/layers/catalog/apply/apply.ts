/**
 * From a spec to a catalog that matches it: look, plan, run in stages. Nothing is opened or lifted when nothing is to do.
 *
 * Source: `compute_tools/src/compute.rs` (`apply_spec_sql`).
 */
import * as Effect from "effect/Effect"
import type { PlanSettings } from "../../../domain/catalog/plan/Draft.ts"
import { draft } from "../../../domain/catalog/plan/Draft.ts"
import { publicRights } from "../../../domain/catalog/plan/perDatabase.ts"
import { plan } from "../../../domain/catalog/plan/plan.ts"
import { isEmpty, type PhaseName, type Plan, phaseNames } from "../../../domain/catalog/plan/Step.ts"
import type { Snapshot } from "../../../domain/catalog/Snapshot.ts"
import type { ParsedSpec } from "../../../domain/spec/ParsedSpec.ts"
import type { Sql, SqlSession } from "../../sql/Sql.ts"
import type { ApplyOptions } from "../Catalog.ts"
import { dropRoles } from "../dropRoles.ts"
import { readSnapshot } from "../look/read.ts"
import { createDatabases, dependOnOrder, makeBirths, sessionsFor } from "./create.ts"
import { type DatabaseVisits, visitDatabases } from "./databases.ts"
import { execute, type Item, isLost } from "./execute.ts"
import type { Failure, Journal } from "./journal.ts"
import type { Settled } from "./settled.ts"
import type { SizeLimit } from "./sizeLimit.ts"

export interface ApplyParts {
  readonly sql: Sql["Service"]
  readonly settings: PlanSettings
  readonly settled: Settled
  readonly sizeLimit: SizeLimit
}

const APPLICATION = "compute_ctl:apply_config"
/** A statement that takes this long there means that the pageserver is in trouble. */
const LAKEBASE_START = "-c statement_timeout=2min"

const at = (name: PhaseName) => phaseNames.indexOf(name)

/** The system steps from one phase to another, both included. */
const between = (whole: Plan, from: PhaseName, to: PhaseName): ReadonlyArray<Item> =>
  whole.phases
    .filter(({ name }) => at(name) >= at(from) && at(name) <= at(to))
    .flatMap(({ name, steps }) => steps.map((step) => ({ phase: name, step })))

const worksOf = (whole: Plan, name: PhaseName) => whole.phases.find((phase) => phase.name === name)?.databases ?? []

/** Whether `web_access` exists decides about rights in every database. */
const circumstancesOf = ({ spec }: ParsedSpec, snapshot: Snapshot) =>
  snapshot.roles.has("web_access") || spec.cluster.roles.some(({ name }) => name === "web_access") ? "web" : "plain"

type Stage = Effect.Effect<ReadonlyArray<Failure>>

/** A stage that fails is the last. */
const inOrder = (stages: ReadonlyArray<Stage>): Stage =>
  Effect.gen(function* () {
    for (const stage of stages) {
      const failures = yield* stage
      if (failures.length > 0) return failures
    }
    return []
  })

/** Both come to their end. */
const together = (one: Stage, other: Stage): Stage =>
  Effect.map(Effect.all([one, other], { concurrency: 2 }), (both) => both.flat())

/** Whether databases can be visited while others are still being created: not while one of them may be a template. */
const overlaps = (whole: Plan, creates: ReadonlyArray<Item>): boolean =>
  !dependOnOrder(creates) && worksOf(whole, "databases").every(({ database }) => !/^template[01]$/.test(database))

export const runApply = (spec: ParsedSpec, options: ApplyOptions, journal: Journal, parts: ApplyParts) =>
  Effect.gen(function* () {
    const { sql, settings, sizeLimit } = parts
    const open = (database?: string) =>
      sql.session({
        applicationName: APPLICATION,
        maintenance: true,
        ...(database !== undefined && { database }),
        ...(settings.lakebase && options.phase === "start" && { moreOptions: LAKEBASE_START })
      })
    const main: SqlSession = yield* open()
    const snapshot = yield* readSnapshot(main, spec)
    const settled = yield* parts.settled.during(snapshot.started)
    const circumstances = circumstancesOf(spec, snapshot)
    let skipped = 0
    const whole = yield* Effect.fromResult(
      plan(spec, snapshot, settings, (row) => {
        const known = options.phase === "reconfigure" && settled.has(row, circumstances)
        if (known) skipped += 1
        return known
      })
    )
    yield* journal.planned(whole, skipped)
    yield* Effect.forEach(whole.warnings, (warning) => Effect.logWarning(warning), { discard: true })
    if (isEmpty(whole)) return []

    yield* sizeLimit.lifted
    yield* sizeLimit.seenBy(main)
    const births = yield* makeBirths(worksOf(whole, "databases"))
    const visits: DatabaseVisits = {
      open,
      journal,
      privilegedRole: settings.privilegedRole,
      born: births.of,
      mayBeGone: false,
      decide: (work, found) => publicRights(work.owner, work.database, found, draft(snapshot, settings)),
      succeeded: (work, found) => settled.add(found.oid, work.owner, circumstances)
    }
    const visiting = (phase: PhaseName, concurrency: number, mayBeGone = false) =>
      visitDatabases(phase, worksOf(whole, phase), concurrency, { ...visits, mayBeGone })
    const system = (from: PhaseName, to: PhaseName) => execute(main, between(whole, from, to), journal)
    const creates = between(whole, "create and alter databases", "create and alter databases")
    const sessions = sessionsFor(creates, options.concurrency)
    // What was created gets its grants even when another database could not be created.
    const creating = Effect.flatMap(createDatabases(main, creates, sessions, open, births, journal), (failures) => {
      if (failures.some(isLost)) return Effect.succeed(failures)
      const exists = ({ step }: Item) => !failures.some(({ object }) => object === step.object)
      const granting = execute(main, between(whole, "grant databases", "grant databases").filter(exists), journal)
      return Effect.map(granting, (more) => [...failures, ...more])
    })
    const preparing = system("schema neon", "schema neon")
    const remaining = system("other extensions", "availability check")

    const early = visiting("drop subscriptions of databases to be deleted", options.concurrency, true)
    const cluster = system("privileged role", "rename and delete databases")
    const { privilegedRole } = settings
    const dropping = dropRoles(
      { main, open, journal, privilegedRole, ...snapshot, concurrency: options.concurrency },
      between(whole, "drop roles", "drop roles")
    )
    const late = inOrder([dropping, system("databricks grants", "audit")])
    const middle = overlaps(whole, creates)
      ? [together(visiting("databases", options.concurrency - sessions + 1), inOrder([creating, preparing, remaining]))]
      : [creating, preparing, together(visiting("databases", options.concurrency), remaining)]
    return yield* inOrder([early, cluster, ...middle, late])
  })

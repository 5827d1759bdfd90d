/**
 * A plan with nothing left open: every database that an apply would look into is looked into now.
 */
import * as Effect from "effect/Effect"
import { clearRole, giveAway } from "../../../domain/catalog/doomedRoles.ts"
import type { PlanSettings } from "../../../domain/catalog/plan/Draft.ts"
import { plan } from "../../../domain/catalog/plan/plan.ts"
import type { Plan } from "../../../domain/catalog/plan/Step.ts"
import type { ParsedSpec } from "../../../domain/spec/ParsedSpec.ts"
import type { Sql, SqlSession } from "../../sql/Sql.ts"
import { ownedDatabases, references } from "../dropRoles.ts"
import { inspect, readSnapshot } from "./read.ts"

const APPLICATION = "compute_ctl:plan"
const CONCURRENCY = 4

/** What would be cleared before roles are dropped, as far as it is there now. */
const withClearing = (whole: Plan, session: SqlSession, privilegedRole: string, version: number) =>
  Effect.gen(function* () {
    const doomed = whole.phases.flatMap(({ steps }) =>
      steps.flatMap(({ doomed, refused }) => (doomed === null || refused !== null ? [] : [doomed]))
    )
    if (doomed.length === 0) return whole
    const asking = { session, privilegedRole }
    const owned = yield* ownedDatabases(asking, doomed)
    const found = yield* references(asking, doomed)
    const clearing = [...owned.map(giveAway), ...found.map((one) => clearRole(one, version))]
    return {
      ...whole,
      phases: whole.phases.map((phase) =>
        phase.name === "drop roles" ? { ...phase, steps: [...clearing, ...phase.steps] } : phase
      )
    }
  })

export const dryRun = (sql: Sql["Service"], settings: PlanSettings, spec: ParsedSpec) =>
  Effect.gen(function* () {
    const open = (database?: string) =>
      sql.session({ applicationName: APPLICATION, ...(database !== undefined && { database }) })
    const main = yield* open()
    const snapshot = yield* readSnapshot(main, spec)
    const first = yield* Effect.fromResult(plan(spec, snapshot, settings))
    const works = first.phases.flatMap(({ databases }) => databases).filter(({ inspect }) => inspect)
    const inspections = yield* Effect.forEach(
      // One that does not exist yet is inspected when it does.
      snapshot.databases.filter(({ oid }) => works.some((work) => work.oid === oid)),
      ({ name }) =>
        open(name).pipe(
          Effect.flatMap((session) => inspect(session, settings.privilegedRole)),
          Effect.map((found) => [name, found] as const),
          Effect.scoped
        ),
      { concurrency: CONCURRENCY }
    )
    const whole = yield* Effect.fromResult(plan(spec, { ...snapshot, inspections: new Map(inspections) }, settings))
    return yield* withClearing(whole, main, settings.privilegedRole, snapshot.version)
  }).pipe(Effect.scoped, Effect.withSpan("catalog plan"))

/**
 * A plan with nothing left open: every database that an apply would look into is looked into now.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { clearRole, giveAway, passOnMuch } from "../../../domain/catalog/dropped/doomedRoles.ts"
import type { PlanSettings } from "../../../domain/catalog/plan/Draft.ts"
import { planSteps } from "../../../domain/catalog/plan/plan.ts"
import { named, type Plan } from "../../../domain/catalog/plan/Step.ts"
import type { Snapshot } from "../../../domain/catalog/Snapshot.ts"
import type { ParsedSpec } from "../../../domain/spec/ParsedSpec.ts"
import { resultInSlices } from "../../compute/clock/Slices.ts"
import type { Sql } from "../../sql/Sql.ts"
import { ownedDatabases, references } from "../dropRoles.ts"
import { inspect, readSnapshot } from "./read.ts"

const APPLICATION = "compute_ctl:plan"
const CONCURRENCY = 3

/** What would be cleared before roles are dropped, as far as it is there now. */
const withClearing = Effect.fnUntraced(function* (
  whole: Plan,
  open: ReturnType<Sql["Service"]["session"]>,
  privilegedRole: string,
  version: number
) {
  const doomed = whole.phases.flatMap(({ steps }) =>
    steps.flatMap(({ doomed, refused }) => (doomed === null || refused !== null ? [] : [doomed]))
  )
  if (doomed.length === 0) return whole
  const asking = { session: yield* open, privilegedRole }
  const owned = yield* ownedDatabases(asking, doomed)
  const found = yield* references(asking, doomed)
  const clearing = [...owned.map(giveAway), ...found.flatMap((one) => [...passOnMuch(one), clearRole(one, version)])]
  return {
    ...whole,
    phases: whole.phases.map((phase) =>
      phase.name === "drop roles" ? { ...phase, steps: [...clearing, ...phase.steps] } : phase
    )
  }
}, Effect.scoped)

export const dryRun = Effect.fn("catalog plan")(function* (
  sql: Sql["Service"],
  settings: PlanSettings,
  spec: ParsedSpec
) {
  const open = (database?: string) =>
    sql.session({ applicationName: APPLICATION, ...(database !== undefined && { database }) })
  const snapshot = yield* Effect.scoped(Effect.flatMap(open(), (session) => readSnapshot(session, spec, settings)))
  const planWith = (found: Snapshot) => resultInSlices(planSteps(spec, found, settings))
  const first = yield* planWith(snapshot)
  const works = first.phases.flatMap(({ databases }) => databases).filter(({ inspect }) => inspect)
  const wanted = new Set(works.map(({ oid }) => oid))
  const looks = yield* Effect.forEach(
    // One that does not exist yet is inspected when it does.
    snapshot.databases.filter(({ oid }) => wanted.has(oid)),
    ({ name }) =>
      open(name).pipe(
        Effect.flatMap((session) => inspect(session, settings.privilegedRole)),
        Effect.scoped,
        Effect.result,
        Effect.map((found) => ({ name, found }))
      ),
    { concurrency: CONCURRENCY }
  )
  const inspections = looks.flatMap(({ name, found }) =>
    Result.isSuccess(found) ? [[name, found.success] as const] : []
  )
  const unseen = looks.flatMap(({ name, found }) =>
    Result.isFailure(found) ? [`${named("database", name)} cannot be looked into: ${found.failure.message}`] : []
  )
  const planned = yield* planWith({ ...snapshot, inspections: new Map(inspections) })
  const whole = yield* withClearing(planned, open(), settings.privilegedRole, snapshot.version)
  return { ...whole, warnings: [...whole.warnings, ...unseen] }
})

/**
 * A plan with nothing left open: every database that an apply would look into is looked into now.
 */
import * as Effect from "effect/Effect"
import type { PlanSettings } from "../../domain/catalog/Draft.ts"
import { plan } from "../../domain/catalog/plan.ts"
import type { ParsedSpec } from "../../domain/ParsedSpec.ts"
import type { Sql } from "../Sql.ts"
import { inspect, readSnapshot } from "./read.ts"

const APPLICATION = "compute_ctl:plan"
const CONCURRENCY = 4

export const dryRun = (sql: Sql["Type"], settings: PlanSettings, spec: ParsedSpec) =>
  Effect.gen(function* () {
    const open = (database?: string) =>
      sql.session({ applicationName: APPLICATION, ...(database !== undefined && { database }) })
    const snapshot = yield* Effect.flatMap(open(), (session) => readSnapshot(session, spec))
    const first = yield* plan(spec, snapshot, settings)
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
    return yield* plan(spec, { ...snapshot, inspections: new Map(inspections) }, settings)
  }).pipe(Effect.scoped, Effect.withSpan("catalog plan"))

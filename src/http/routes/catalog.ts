/**
 * What is inside Postgres.
 */
import * as Effect from "effect/Effect"
import { planReport } from "../../domain/catalog/plan/PlanReport.ts"
import { TOLD, waitForRestart } from "../../domain/postgres/RefusedSetting.ts"
import type { ComputeSpec } from "../../domain/spec/ComputeSpec.ts"
import { type ParsedSpec, parseSteps } from "../../domain/spec/ParsedSpec.ts"
import { Catalog } from "../../layers/catalog/Catalog.ts"
import { ComputeState } from "../../layers/compute/ComputeState.ts"
import { resultInSlices } from "../../layers/compute/clock/Slices.ts"
import { Monitor } from "../../layers/observe/Monitor.ts"
import { Reconfiguration, type ReconfigureReport } from "../../programs/run/reconfigure.ts"
import * as api from "../api/catalog.ts"
import { json, largeJson, orStatus, refuse, requireRunning, route, streamed } from "../server/Route.ts"

/** A session of ours in a database of a user is no use of it. */
const unnoticed = <A, E, R>(work: Effect.Effect<A, E, R>) => Effect.flatMap(Monitor, ({ disregard }) => disregard(work))

const planned = (spec: ParsedSpec) =>
  unnoticed(Effect.flatMap(Catalog, (catalog) => catalog.plan(spec))).pipe(
    Effect.flatMap((plan) => largeJson(200, planReport(plan))),
    orStatus(500)
  )

const parsed = (spec: ComputeSpec) =>
  Effect.catchTag(resultInSlices(parseSteps(spec)), "InvalidSpec", ({ message }) => refuse(400, message))

const current = Effect.flatMap(ComputeState, (state) => state.get).pipe(
  Effect.flatMap(({ spec }) => (spec === null ? refuse(412, "there is no spec yet") : Effect.succeed(spec)))
)

const shown = (last: ReconfigureReport | null) =>
  last === null
    ? null
    : {
        operation: last.operation,
        duration_ms: last.tookMs,
        reload_confirmed: last.confirmed,
        pending_restart: waitForRestart(last.settings ?? []),
        refused_settings: (last.settings ?? []).slice(0, TOLD),
        error: last.error
      }

export const routes = [
  route(api.dbsAndRoles, () =>
    Effect.flatMap(Catalog, (catalog) => catalog.objects).pipe(
      Effect.flatMap((objects) => largeJson(200, objects)),
      orStatus(500)
    )
  ),
  route(api.databaseSchema, ({ query }) =>
    // Until the response has been sent.
    Effect.flatMap(Monitor, ({ disregarding }) => disregarding).pipe(
      Effect.andThen(Effect.flatMap(Catalog, (catalog) => catalog.schemaDump(query.database))),
      Effect.map((sql) => streamed(200, "application/json", sql)),
      Effect.catchTags({
        DatabaseMissing: ({ message }) => refuse(404, message),
        DumpFailed: (error) => Effect.andThen(Effect.logError(error.message), refuse(500, "failed to execute pg_dump"))
      }),
      orStatus(500)
    )
  ),
  route(api.insights, () =>
    requireRunning.pipe(
      Effect.andThen(Effect.flatMap(Catalog, (catalog) => catalog.insights)),
      // Clients have come to expect a string that holds JSON.
      Effect.map((text) => json(200, text)),
      orStatus(500)
    )
  ),
  route(api.checkWritability, () =>
    requireRunning.pipe(
      Effect.andThen(Effect.flatMap(Catalog, (catalog) => catalog.checkWritability)),
      Effect.as(json(200, true)),
      orStatus(500)
    )
  ),
  route(api.installExtension, ({ body }) =>
    requireRunning.pipe(
      Effect.andThen(unnoticed(Effect.flatMap(Catalog, (catalog) => catalog.installExtension(body)))),
      Effect.as(json(201, { extension: body.extension, version: body.version })),
      orStatus(500, "failed to install extension: ")
    )
  ),
  route(api.setRoleGrants, ({ body }) =>
    requireRunning.pipe(
      Effect.andThen(unnoticed(Effect.flatMap(Catalog, (catalog) => catalog.setRoleGrants(body)))),
      Effect.as(
        json(201, { database: body.database, schema: body.schema, privileges: body.privileges, role: body.role })
      ),
      orStatus(500, "failed to grant role privileges to the schema: ")
    )
  ),
  route(api.lastApply, () =>
    Effect.gen(function* () {
      const apply = yield* Effect.flatMap(Catalog, (catalog) => catalog.lastApply)
      const last = yield* Effect.flatMap(Reconfiguration, (reconfiguration) => reconfiguration.last)
      return yield* largeJson(200, apply === null && last === null ? null : { ...apply, reconfiguration: shown(last) })
    })
  ),
  route(api.plan, () => requireRunning.pipe(Effect.andThen(current), Effect.flatMap(planned))),
  route(api.planFor, ({ body }) => requireRunning.pipe(Effect.andThen(parsed(body.spec)), Effect.flatMap(planned)))
]

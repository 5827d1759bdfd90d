/**
 * What is inside Postgres.
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { planReport } from "../../domain/catalog/plan/PlanReport.ts"
import { factsReport } from "../../domain/postgres/Facts.ts"
import { TOLD, waitForRestart } from "../../domain/postgres/RefusedSetting.ts"
import type { ComputeSpec } from "../../domain/spec/ComputeSpec.ts"
import { type ParsedSpec, parseSteps } from "../../domain/spec/ParsedSpec.ts"
import { Catalog } from "../../layers/catalog/Catalog.ts"
import { ComputeState, InvalidStatus } from "../../layers/compute/ComputeState.ts"
import { resultInSlices } from "../../layers/compute/clock/Slices.ts"
import { Monitor } from "../../layers/observe/Monitor.ts"
import { DataDirectory } from "../../layers/postgres/dataDirectory/DataDirectory.ts"
import { Reconfiguration, type ReconfigureReport } from "../../programs/run/reconfigure.ts"
import { External } from "../api/Api.ts"
import { PlanRequest } from "../api/catalog.ts"
import { BadRequest, Failed, NotFound, WrongStatus } from "../api/shapes/Refusal.ts"
import { largeJson, orRefuse, refuse, requireRunning, withExplainedBody } from "../server/answers/answers.ts"
import type { Fault } from "../server/incoming/Rejection.ts"

/** A session of ours in a database of a user is no use of it. */
export const unnoticed = <A, E, R>(work: Effect.Effect<A, E, R>) =>
  Effect.flatMap(Monitor, ({ disregard }) => disregard(work))

const planned = (spec: ParsedSpec) =>
  unnoticed(Effect.flatMap(Catalog, (catalog) => catalog.plan(spec))).pipe(Effect.map(planReport), orRefuse(Failed))

/** Of what stands beside the spec nothing is read here: it may be a whole configuration. */
const isOfSpec = ({ path }: Fault): boolean => path.startsWith("spec.")

const plannedFor = Effect.fnUntraced(function* (spec: ParsedSpec, unread: ReadonlyArray<Fault>) {
  const report = yield* planned(spec)
  const changes = yield* orRefuse(Failed)(Effect.flatMap(DataDirectory, (directory) => directory.confChanges(spec)))
  const warnings = [...unread.filter(isOfSpec).map(({ message, path }) => `${path}: ${message}`), ...report.warnings]
  return { ...report, warnings, settings: changes.map(({ what, ...change }) => ({ name: what, ...change })) }
})

const parsed = (spec: ComputeSpec) =>
  Effect.catchTag(resultInSlices(parseSteps(spec)), "InvalidSpec", ({ field, message }) =>
    refuse(BadRequest, `${field}: ${message}`)
  )

const current = ComputeState.current.pipe(
  Effect.flatMap(({ spec }) => (spec === null ? refuse(WrongStatus, "there is no spec yet") : Effect.succeed(spec)))
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

export const catalog = HttpApiBuilder.group(External, "catalog", (handlers) =>
  handlers
    .handleAll({
      dbs_and_roles: () =>
        Effect.flatMap(Catalog, ({ objects }) => objects).pipe(
          Effect.flatMap((objects) => largeJson(200, objects)),
          orRefuse(Failed)
        ),
      database_schema: ({ query }) =>
        // Until the response has been sent.
        Effect.flatMap(Monitor, ({ disregarding }) => disregarding).pipe(
          Effect.andThen(Effect.flatMap(Catalog, ({ schemaDump }) => schemaDump(query.database))),
          Effect.catchTags({
            DatabaseMissing: ({ message }) => refuse(NotFound, message),
            DumpFailed: (error) =>
              Effect.andThen(
                Effect.logError(error.message),
                refuse(Failed, error.missing === true ? error.message : "failed to execute pg_dump")
              )
          }),
          orRefuse(Failed)
        ),
      insights: () =>
        requireRunning.pipe(Effect.andThen(Effect.flatMap(Catalog, ({ insights }) => insights)), orRefuse(Failed)),
      postgres: () =>
        Effect.gen(function* () {
          const { postgresRuns, status } = yield* ComputeState.current
          if (!postgresRuns) return yield* orRefuse(WrongStatus)(Effect.fail(new InvalidStatus({ status })))
          const facts = yield* orRefuse(Failed)(unnoticed(Effect.flatMap(Catalog, (catalog) => catalog.facts)))
          return facts === null ? yield* refuse(Failed, "Postgres says nothing of itself") : factsReport(facts)
        }),
      check_writability: () =>
        requireRunning.pipe(
          Effect.andThen(Effect.flatMap(Catalog, ({ checkWritability }) => checkWritability)),
          Effect.as(true as const),
          orRefuse(Failed)
        ),
      last_apply: () =>
        Effect.gen(function* () {
          const apply = yield* Effect.flatMap(Catalog, ({ lastApply }) => lastApply)
          const last = yield* Effect.flatMap(Reconfiguration, (reconfiguration) => reconfiguration.last)
          return yield* largeJson(
            200,
            apply === null && last === null ? null : { version: 1, ...apply, reconfiguration: shown(last) }
          )
        }),
      plan: () =>
        requireRunning.pipe(
          Effect.andThen(current),
          Effect.flatMap(planned),
          Effect.flatMap((report) => largeJson(200, report))
        )
    })
    .handleRaw("plan_for", ({ endpoint }) =>
      withExplainedBody(PlanRequest, endpoint, (body, unread) =>
        requireRunning.pipe(
          Effect.andThen(parsed(body.spec)),
          Effect.flatMap((spec) => plannedFor(spec, unread)),
          Effect.flatMap((report) => largeJson(200, report))
        )
      )
    )
)

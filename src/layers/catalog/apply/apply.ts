/**
 * From a spec to a catalog that matches it: look, plan, run in stages. Nothing is opened or lifted when nothing is to do.
 * What fails keeps nothing from being done that does not depend on it.
 *
 * Source: `compute_tools/src/compute.rs` (`apply_spec_sql`).
 */
import * as Effect from "effect/Effect"
import { ADMINS, draft, type PlanSettings, webAccess } from "../../../domain/catalog/plan/Draft.ts"
import * as Outcome from "../../../domain/catalog/plan/Outcome.ts"
import { publicRights } from "../../../domain/catalog/plan/perDatabase.ts"
import { planSteps } from "../../../domain/catalog/plan/plan.ts"
import {
  type DatabaseWork,
  isEmpty,
  type PhaseName,
  type Plan,
  type StageName,
  stageOf
} from "../../../domain/catalog/plan/Step.ts"
import type { Snapshot } from "../../../domain/catalog/Snapshot.ts"
import type { ParsedSpec } from "../../../domain/spec/ParsedSpec.ts"
import { resultInSlices } from "../../compute/clock/Slices.ts"
import type { Sql, SqlSession } from "../../sql/Sql.ts"
import { dropRoles } from "../dropRoles.ts"
import { readSnapshot } from "../look/read.ts"
import { createDatabases, dependOnOrder, makeBirths, sessionsFor } from "./create.ts"
import { type DatabaseVisits, visitDatabases } from "./databases.ts"
import { type Execution, execute, isLost, LOST } from "./execute.ts"
import { fails, type Item } from "./failure.ts"
import type { Failure, Journal } from "./journal/journal.ts"
import { lookAgain } from "./lookAgain.ts"
import { makeObstacles } from "./obstacles/obstacles.ts"
import type { SizeLimit } from "./obstacles/sizeLimit.ts"
import { firstToVisit, openAhead } from "./sessions/ahead.ts"
import { makeMainSession } from "./sessions/mainSession.ts"
import { freeSlots } from "./sessions/slots.ts"
import type { Settled } from "./settled.ts"

export interface ApplyOptions {
  /** Databases worked on at once; at least one. The session of the system database comes on top. */
  readonly concurrency: number
  readonly phase: "start" | "reconfigure"
  /** Whether what tenants have put in the way is told, and fails nothing. Default: it fails. */
  readonly forgiving?: boolean
}

export interface ApplyParts {
  readonly sql: Sql["Service"]
  readonly settings: PlanSettings
  readonly settled: Settled
  readonly sizeLimit: SizeLimit
  /** Shows in the wait for the apply whom it waits for. */
  readonly note: (text: string | null) => Effect.Effect<void>
  /** Gives the opening of a session a wait of its own. */
  readonly connecting: (opening: ReturnType<Sql["Service"]["session"]>) => ReturnType<Sql["Service"]["session"]>
}

const APPLICATION = "compute_ctl:apply_config"
/** Nobody has had the time to come by a lock that is worth waiting for. */
const START = "-c lock_timeout=15000"
/** A statement that takes this long there means that the pageserver is in trouble. */
const LAKEBASE_START = "-c statement_timeout=2min"

/** What a stage does by itself, in no database's session. */
const itemsOf = (whole: Plan, stage: StageName): ReadonlyArray<Item> =>
  whole.phases
    .filter(({ name }) => stageOf(name) === stage)
    .flatMap(({ name, steps }) => steps.map((step) => ({ phase: name, step })))

const worksOf = (whole: Plan, name: PhaseName) => whole.phases.find((phase) => phase.name === name)?.databases ?? []

/** Whether `web_access` is given rights decides about the work in every database. */
const circumstancesOf = ({ spec }: ParsedSpec, snapshot: Snapshot) => (webAccess(spec, snapshot) ? "web" : "plain")

/** Whether our own database belongs to a tenant, or is about to. */
const isShared = ({ spec }: ParsedSpec, { databases, system }: Snapshot): boolean =>
  [
    databases.find(({ name }) => name === system)?.owner,
    ...spec.cluster.databases.flatMap(({ name, owner }) => (name === system ? [owner] : []))
  ].some((owner) => owner !== undefined && !ADMINS.includes(owner))

type Stage = Effect.Effect<ReadonlyArray<Failure>>

/** All of them, unless our own session is lost: what it had still to do would only fail in its turn. */
const inOrder = (stages: ReadonlyArray<Stage>): Stage =>
  Effect.gen(function* () {
    const failures: Array<Failure> = []
    for (const stage of stages) {
      if (failures.some(endsAll)) return failures
      // Not as arguments of one call: each role may fail, and a call takes some hundred thousand.
      for (const failure of yield* stage) failures.push(failure)
    }
    return failures
  })

const endsAll = (failure: Failure): boolean => isLost(failure) && !failure.alone

/** Both come to their end. */
const together = (one: Stage, other: Stage): Stage =>
  Effect.map(Effect.all([one, other], { concurrency: 2 }), (both) => both.flat())

/** Whether databases can be visited while others are still being created: not while one of them may be a template. */
const overlaps = (whole: Plan, creates: ReadonlyArray<Item>): boolean =>
  !dependOnOrder(creates) && worksOf(whole, "databases").every(({ database }) => !/^template[01]$/.test(database))

/** A look is short and locks nothing: of what the server has left for anybody, some may be had for it. */
const LOOKS = 8
const SHARE = 4

/**
 * How many sessions may work in databases at once, and how many may look into them; `tight`: there is only one, with none
 * beside it.
 */
const roomFor = (whole: Plan, { concurrency }: ApplyOptions, main: SqlSession) =>
  whole.phases.every(({ name, databases }) => databases.length === 0 && stageOf(name) !== "drop")
    ? Effect.succeed({ concurrency, looks: 1, tight: false })
    : Effect.map(freeSlots(main), (free) => {
        const most = Math.max(1, Math.min(concurrency, free))
        return { concurrency: most, looks: Math.max(most, Math.min(LOOKS, Math.floor(free / SHARE))), tight: free < 1 }
      })

export const runApply = Effect.fnUntraced(function* (
  spec: ParsedSpec,
  options: ApplyOptions,
  journal: Journal,
  parts: ApplyParts
) {
  const { sql, settings, sizeLimit } = parts
  const moreOptions = options.phase === "start" ? [START, ...(settings.lakebase ? [LAKEBASE_START] : [])].join(" ") : ""
  const open = (database?: string) =>
    parts.connecting(
      sql.session({
        applicationName: APPLICATION,
        maintenance: true,
        ...(database !== undefined && { database }),
        ...(moreOptions !== "" && { moreOptions })
      })
    )
  const main = yield* makeMainSession(open())
  const first = yield* main.get
  const snapshot = yield* readSnapshot(first, spec, settings)
  const settled = yield* parts.settled.during(snapshot.started)
  const found: Snapshot = { ...snapshot, cleaned: settled.cleaned }
  const circumstances = circumstancesOf(spec, found)
  const isSettled = (work: DatabaseWork) => options.phase === "reconfigure" && settled.has(work, circumstances)

  const planned = (known: Snapshot) => resultInSlices(planSteps(spec, known, settings))
  const unseen = yield* planned(found)
  const { concurrency, looks, tight } = yield* roomFor(unseen, options, first)
  const pause = tight ? main.giveUp : Effect.void
  const seen = yield* lookAgain(found, unseen, isSettled, { open, concurrency: looks, pause, ...settings })
  const whole = seen === found ? unseen : yield* planned(seen)
  yield* journal.planned(whole, worksOf(unseen, "databases").length - worksOf(whole, "databases").length)
  yield* Effect.forEach(whole.warnings, (warning) => Effect.logWarning(warning), { discard: true })
  if (isEmpty(whole)) return { failures: [], shut: whole.shut, subscriptionsPending: false }

  const creates = itemsOf(whole, "create")
  const isOverlapping = overlaps(whole, creates)
  const unsubscribed = worksOf(whole, "drop subscriptions of databases to be deleted")
  const isRoom = isOverlapping && !tight && unsubscribed.length === 0
  const ahead = yield* openAhead(isRoom ? firstToVisit(worksOf(whole, "databases"), found) : null, open)

  yield* sizeLimit.lifted
  yield* Effect.flatMap(main.get, sizeLimit.seenBy)
  const look = (database?: string) =>
    sql.session({
      applicationName: APPLICATION,
      purpose: "probe",
      connectTimeout: "2 seconds",
      ...(database !== undefined && { database })
    })
  const obstacles = yield* makeObstacles(journal, look, parts.note)
  const execution: Execution = { journal, obstacles, system: found.system, shared: isShared(spec, found) }
  const births = yield* makeBirths(worksOf(whole, "databases"))
  const visits: DatabaseVisits = {
    open: ahead.open,
    execution,
    privilegedRole: settings.privilegedRole,
    born: births.of,
    mayBeGone: false,
    decide: (work, inside) => publicRights(work.owner, work.database, inside, draft(spec.spec, found, settings)),
    succeeded: (work, inside) => settled.add(inside.oid, work.owner, circumstances)
  }
  const visiting = (phase: PhaseName, sessions: number, mayBeGone = false): Stage => {
    const works = worksOf(whole, phase)
    if (works.length === 0) return Effect.succeed([])
    return Effect.andThen(pause, visitDatabases(phase, works, sessions, { ...visits, mayBeGone }))
  }
  const onMain = (items: ReadonlyArray<Item>, use: typeof execute = execute): Stage => {
    const [head, ...rest] = items
    if (head === undefined) return Effect.succeed([])
    return main.get.pipe(
      Effect.matchEffect({
        onSuccess: (session) => use(session, items, execution),
        onFailure: (error) =>
          Effect.andThen(
            journal.skipped(
              rest.map(({ step }) => step),
              LOST
            ),
            fails(execution, head, error)
          )
      })
    )
  }
  const system = (stage: StageName) => onMain(itemsOf(whole, stage))
  const sessions = sessionsFor(creates, concurrency)
  const visitors = tight ? 1 : isOverlapping ? concurrency - sessions + 1 : concurrency
  const stages: Record<StageName, Stage> = {
    unsubscribe: visiting("drop subscriptions of databases to be deleted", concurrency, true),
    cluster: system("cluster"),
    create: Effect.ensuring(
      onMain(creates, (session, items) => createDatabases(session, items, sessions, open, births, execution)),
      births.over
    ),
    grant: system("grant"),
    prepare: system("prepare"),
    visit: Effect.ensuring(visiting("databases", visitors), ahead.over),
    extend: system("extend"),
    drop: dropRoles(
      { main, pause, open, execution, concurrency, privilegedRole: settings.privilegedRole, version: found.version },
      itemsOf(whole, "drop")
    ),
    conclude: system("conclude")
  }
  const making = [stages.create, stages.grant, stages.prepare]
  const middle = tight
    ? [...making, stages.extend, stages.visit]
    : isOverlapping
      ? [together(stages.visit, inOrder([...making, stages.extend]))]
      : [...making, together(stages.visit, stages.extend)]
  const failures = yield* inOrder([stages.unsubscribe, stages.cluster, ...middle, stages.drop, stages.conclude])

  const record = itemsOf(whole, "conclude").filter(({ phase }) => phase === "record dropped subscriptions")
  const cleaned = found.databases.filter(({ name }) => journal.obstacle([Outcome.withoutSubscriptions(name)]) === null)
  if (spec.spec.drop_subscriptions_before_start) yield* settled.clean(cleaned.map(({ oid }) => oid))
  // Nothing is recorded where the table is not ours.
  const drops = worksOf(whole, "databases").flatMap(({ steps }) => steps.filter(({ serial }) => serial))
  const subscriptionsPending = ![...record.map(({ step }) => step), ...drops].every(journal.isDone)
  return { failures, shut: whole.shut, subscriptionsPending }
})

/** What an apply came to. */
export type Applied = Effect.Success<ReturnType<typeof runApply>>

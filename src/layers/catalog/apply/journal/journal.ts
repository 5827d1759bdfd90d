/**
 * What an apply has done so far, step by step. Written by its fibers, read by `GET /apply` at any time.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Blocker } from "../../../../domain/catalog/Blocker.ts"
import { type PhaseName, type Plan, phaseNames, type Step } from "../../../../domain/catalog/plan/Step.ts"
import type { ApplyReport, StepFailure } from "../../../../domain/catalog/Report.ts"
import type { Told } from "../../../../domain/status/Event.ts"
import { wallMillisUnsafe } from "../../../compute/clock/WallClock.ts"
import { tell, tellAll } from "../../../compute/History.ts"
import type { SqlFailed } from "../../../sql/errors.ts"
import { type Entry, phaseReport } from "./phaseReport.ts"

export interface Failure {
  readonly phase: PhaseName
  readonly object: string
  /** The one it was in the way of, or that was worked in; null for the cluster and our own database. */
  readonly database: string | null
  readonly error: SqlFailed
  /** It concerns nothing but what a tenant has in his hands, and stops no start. */
  readonly alone: boolean
}

export interface Journal {
  readonly planned: (plan: Plan, settled: number) => Effect.Effect<void>
  /** Steps that became known while the phase runs. */
  readonly found: (phase: PhaseName, steps: ReadonlyArray<Step>) => Effect.Effect<void>
  readonly visited: Effect.Effect<void>
  readonly began: (steps: ReadonlyArray<Step>) => Effect.Effect<void>
  /** Who holds a lock that the steps wait for. Kept when they fail. */
  readonly blocked: (steps: ReadonlyArray<Step>, by: ReadonlyArray<Blocker>) => Effect.Effect<void>
  readonly blockersOf: (step: Step) => ReadonlyArray<Blocker>
  /** Back to pending: a transaction was rolled back and its steps are tried one by one. */
  readonly undone: (steps: ReadonlyArray<Step>) => Effect.Effect<void>
  readonly done: (steps: ReadonlyArray<Step>) => Effect.Effect<void>
  readonly failed: (step: Step, error: SqlFailed) => Effect.Effect<void>
  readonly skipped: (steps: ReadonlyArray<Step>, because: string) => Effect.Effect<void>
  /** Why something cannot be done any more: what it needs has not come about. Null when nothing stands in its way. */
  readonly obstacle: (needs: ReadonlyArray<string>) => string | null
  readonly isDone: (step: Step) => boolean
  /** What was not run by now is skipped. */
  readonly closed: (
    state: ApplyReport["state"],
    error: string | null,
    outcome?: Pick<ApplyReport, "failed_databases" | "subscriptions_pending">
  ) => Effect.Effect<void>
  readonly report: Effect.Effect<ApplyReport>
}

export const failureOf = ({ sqlstate, message, detail, hint }: SqlFailed): StepFailure => ({
  sqlstate,
  message,
  detail,
  hint
})

const NOT_REACHED: Readonly<Record<ApplyReport["state"], string>> = {
  running: "",
  done: "there was nothing to do",
  failed: "the apply ended before",
  interrupted: "the apply was interrupted"
}

/** Steps that are told when they begin or end at once. */
const TOLD = 50

const PENDING = { state: "pending", began: null, ended: null, error: null, blockers: [] } as const

export const makeJournal = (trigger: ApplyReport["trigger"]): Effect.Effect<Journal> =>
  Effect.map(Clock.Clock, (clock) => {
    const now = () => clock.currentTimeMillisUnsafe()
    const started = now()
    const startedAt = new Date(wallMillisUnsafe(clock)).toISOString()
    const phases = new Map<PhaseName, Array<Entry>>()
    const entries = new Map<Step, Entry>()
    /** What has not come about, and why. */
    const missing = new Map<string, string>()
    let warnings: ReadonlyArray<string> = []
    let settledDatabases = 0
    let visitedDatabases = 0
    let outcome: Pick<ApplyReport, "failed_databases" | "subscriptions_pending"> = {
      failed_databases: [],
      subscriptions_pending: false
    }
    let state: ApplyReport["state"] = "running"
    let ended: number | null = null
    let error: string | null = null

    const add = (phase: PhaseName, steps: ReadonlyArray<Step>) => {
      const all = phases.get(phase) ?? []
      phases.set(phase, all)
      for (const step of steps) {
        const entry: Entry = { phase, step, because: null, ...PENDING }
        all.push(entry)
        entries.set(step, entry)
      }
    }
    const update = (steps: ReadonlyArray<Step>, change: (entry: Entry, time: number) => Partial<Entry>) =>
      Effect.sync(() => {
        const time = now()
        for (const step of steps) {
          const entry = entries.get(step)
          if (entry !== undefined) Object.assign(entry, change(entry, time))
        }
      })
    const told = (steps: ReadonlyArray<Step>, state: Extract<Told, { kind: "step" }>["state"], reason: string | null) =>
      tellAll(() =>
        steps.slice(0, TOLD).map((step, index) => ({
          kind: "step",
          phase: entries.get(step)?.phase ?? "",
          object: index + 1 === TOLD && steps.length > TOLD ? `${steps.length - index} objects` : step.object,
          database: step.database,
          state,
          reason
        }))
      )
    const miss = ({ object, provides }: Step, how: string) => {
      for (const outcome of provides) if (!missing.has(outcome)) missing.set(outcome, `${object} ${how}`)
    }
    const skip = (step: Step, because: string) => {
      miss(step, "was skipped")
      return { state: "skipped", because } as const
    }
    /** Statements and verifiers are not kept for a report that has neither. */
    const letGo = () => {
      for (const entry of entries.values()) {
        const { object, reason, database, sql } = entry.step
        entry.step = { object, reason, database, sql }
      }
      entries.clear()
      missing.clear()
    }

    return {
      planned: (plan, settled) =>
        Effect.sync(() => {
          warnings = plan.warnings
          settledDatabases = settled
          for (const { name, steps, databases } of plan.phases) {
            add(name, [...steps, ...databases.flatMap((work) => work.steps)])
          }
        }),
      found: (phase, steps) => Effect.sync(() => add(phase, steps)),
      visited: Effect.sync(() => {
        visitedDatabases += 1
      }),
      began: (steps) =>
        update(steps, ({ began }, time) => ({ began: began ?? time })).pipe(
          Effect.andThen(told(steps, "running", null))
        ),
      blocked: (steps, by) => update(steps, () => ({ blockers: by })),
      blockersOf: (step) => entries.get(step)?.blockers ?? [],
      undone: (steps) => update(steps, () => PENDING),
      done: (steps) =>
        update(steps, (_, time) => ({ state: "done", ended: time, blockers: [] })).pipe(
          Effect.andThen(told(steps, "done", null))
        ),
      failed: (step, cause) =>
        update([step], (_, time) => {
          miss(step, "failed")
          return { state: "failed", ended: time, error: failureOf(cause) }
        }).pipe(Effect.andThen(told([step], "failed", cause.message))),
      skipped: (steps, because) =>
        Effect.sync(() => {
          for (const step of steps) {
            const entry = entries.get(step)
            if (entry?.state === "pending") Object.assign(entry, skip(step, because))
          }
        }).pipe(Effect.andThen(told(steps, "skipped", because))),
      obstacle: (needs) => {
        const lacking = needs.find((outcome) => missing.has(outcome))
        if (lacking === undefined) return null
        const why = missing.get(lacking) ?? ""
        return why.startsWith(lacking) ? `it depends on ${why}` : `it depends on ${lacking}: ${why}`
      },
      isDone: (step) => entries.get(step)?.state === "done",
      closed: (how, message, found = outcome) =>
        Effect.sync(() => {
          state = how
          error = message
          outcome = found
          ended = now()
          for (const [step, entry] of entries) {
            if (entry.state !== "pending") continue
            Object.assign(entry, skip(step, entry.began === null ? NOT_REACHED[how] : "it was cut off while it ran"))
          }
          letGo()
          return { kind: "apply", trigger, state, duration_ms: ended - started, error } as const
        }).pipe(Effect.flatMap(tell)),
      report: Effect.sync(() => ({
        trigger,
        state,
        started_at: startedAt,
        duration_ms: ended === null ? null : ended - started,
        databases_settled: settledDatabases,
        databases_visited: visitedDatabases,
        ...outcome,
        phases: phaseNames.flatMap((name) => {
          const found = phases.get(name)
          return found === undefined || found.length === 0 ? [] : [phaseReport(name, found)]
        }),
        warnings,
        error
      }))
    }
  })

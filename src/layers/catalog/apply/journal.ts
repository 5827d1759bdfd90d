/**
 * What an apply has done so far, step by step. Written by its fibers, read by `GET /apply` at any time.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { type PhaseName, type Plan, phaseNames, type Step } from "../../../domain/catalog/plan/Step.ts"
import type { ApplyReport, PhaseReport, StepFailure, StepReport } from "../../../domain/catalog/Report.ts"
import { wallMillisUnsafe } from "../../compute/clock/WallClock.ts"
import type { SqlFailed } from "../../sql/SqlFailed.ts"

export interface Failure {
  readonly phase: PhaseName
  readonly object: string
  readonly error: SqlFailed
}

interface Entry {
  readonly step: Step
  state: StepReport["state"]
  began: number | null
  ended: number | null
  error: StepFailure | null
}

export interface Journal {
  readonly planned: (plan: Plan, settled: number) => Effect.Effect<void>
  /** Steps that became known while the phase runs. */
  readonly found: (phase: PhaseName, steps: ReadonlyArray<Step>) => Effect.Effect<void>
  readonly visited: Effect.Effect<void>
  readonly began: (steps: ReadonlyArray<Step>) => Effect.Effect<void>
  /** Back to pending: a transaction was rolled back and its steps are tried one by one. */
  readonly undone: (steps: ReadonlyArray<Step>) => Effect.Effect<void>
  readonly done: (steps: ReadonlyArray<Step>) => Effect.Effect<void>
  readonly failed: (step: Step, error: SqlFailed) => Effect.Effect<void>
  readonly closed: (state: ApplyReport["state"], error: string | null) => Effect.Effect<void>
  readonly report: Effect.Effect<ApplyReport>
}

export const failureOf = ({ sqlstate, message, detail, hint }: SqlFailed): StepFailure => ({
  sqlstate,
  message,
  detail,
  hint
})

const stepReport = ({ step, state, began, ended, error }: Entry): StepReport => ({
  object: step.object,
  reason: step.reason,
  database: step.database,
  sql: step.sql,
  state,
  duration_ms: began === null || ended === null ? null : ended - began,
  error
})

const phaseState = (entries: ReadonlyArray<Entry>): PhaseReport["state"] => {
  if (entries.some(({ state }) => state === "failed")) return "failed"
  if (entries.every(({ state }) => state === "done")) return "done"
  return entries.some(({ began }) => began !== null) ? "running" : "pending"
}

// Not as arguments of one call: there is a step for each role, and a call takes some hundred thousand.
const latest = (times: ReadonlyArray<number>) => times.reduce((one, other) => Math.max(one, other))
const earliest = (times: ReadonlyArray<number>) => times.reduce((one, other) => Math.min(one, other))

const phaseReport = (phase: PhaseName, entries: ReadonlyArray<Entry>): PhaseReport => {
  const began = entries.flatMap((entry) => (entry.began === null ? [] : [entry.began]))
  const ended = entries.flatMap((entry) => (entry.ended === null ? [] : [entry.ended]))
  const open = began.length === 0 || ended.length < entries.length
  return {
    phase,
    state: phaseState(entries),
    duration_ms: open ? null : latest(ended) - earliest(began),
    steps: entries.map(stepReport)
  }
}

export const makeJournal = (trigger: ApplyReport["trigger"]): Effect.Effect<Journal> =>
  Effect.map(Clock.Clock, (clock) => {
    const now = () => clock.currentTimeMillisUnsafe()
    const started = now()
    const startedAt = new Date(wallMillisUnsafe(clock)).toISOString()
    const phases = new Map<PhaseName, Array<Entry>>()
    const entries = new Map<Step, Entry>()
    let warnings: ReadonlyArray<string> = []
    let settledDatabases = 0
    let visitedDatabases = 0
    let state: ApplyReport["state"] = "running"
    let ended: number | null = null
    let error: string | null = null

    const add = (phase: PhaseName, steps: ReadonlyArray<Step>) => {
      const all = phases.get(phase) ?? []
      phases.set(phase, all)
      for (const step of steps) {
        const entry: Entry = { step, state: "pending", began: null, ended: null, error: null }
        all.push(entry)
        entries.set(step, entry)
      }
    }
    const update = (steps: ReadonlyArray<Step>, change: (entry: Entry, time: number) => void) =>
      Effect.sync(() => {
        const time = now()
        for (const step of steps) {
          const entry = entries.get(step)
          if (entry !== undefined) change(entry, time)
        }
      })

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
        update(steps, (entry, time) => {
          entry.began ??= time
        }),
      undone: (steps) =>
        update(steps, (entry) => {
          entry.state = "pending"
          entry.began = null
          entry.ended = null
          entry.error = null
        }),
      done: (steps) =>
        update(steps, (entry, time) => {
          entry.state = "done"
          entry.ended = time
        }),
      failed: (step, cause) =>
        update([step], (entry, time) => {
          entry.state = "failed"
          entry.ended = time
          entry.error = failureOf(cause)
        }),
      closed: (how, message) =>
        Effect.sync(() => {
          state = how
          error = message
          ended = now()
        }),
      report: Effect.sync(() => ({
        trigger,
        state,
        started_at: startedAt,
        duration_ms: ended === null ? null : ended - started,
        databases_settled: settledDatabases,
        databases_visited: visitedDatabases,
        phases: phaseNames.flatMap((name) => {
          const found = phases.get(name)
          return found === undefined || found.length === 0 ? [] : [phaseReport(name, found)]
        }),
        warnings,
        error
      }))
    }
  })

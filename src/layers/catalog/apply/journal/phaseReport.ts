/**
 * One phase of an apply for readers.
 */
import type { Blocker } from "../../../../domain/catalog/Blocker.ts"
import type { PhaseName, Step } from "../../../../domain/catalog/plan/Step.ts"
import type { PhaseReport, StepFailure, StepReport } from "../../../../domain/catalog/Report.ts"

/** What is told of a step. */
export type Shown = Pick<Step, "object" | "reason" | "database" | "sql">

export interface Entry {
  readonly phase: PhaseName
  step: Shown
  state: StepReport["state"]
  began: number | null
  ended: number | null
  error: StepFailure | null
  because: string | null
  blockers: ReadonlyArray<Blocker>
}

const stepReport = ({ step, state, began, ended, error, because, blockers }: Entry): StepReport => ({
  object: step.object,
  reason: step.reason,
  database: step.database,
  sql: step.sql,
  state,
  duration_ms: began === null || ended === null ? null : ended - began,
  error,
  because,
  blocked_by: blockers
})

const phaseState = (entries: ReadonlyArray<Entry>): PhaseReport["state"] => {
  const states = new Set(entries.map(({ state }) => state))
  if (states.has("failed")) return "failed"
  if (states.has("pending")) return entries.some(({ began }) => began !== null) ? "running" : "pending"
  return states.has("skipped") ? "skipped" : "done"
}

// Not as arguments of one call: there is a step for each role, and a call takes some hundred thousand.
const latest = (times: ReadonlyArray<number>) => times.reduce((one, other) => Math.max(one, other))
const earliest = (times: ReadonlyArray<number>) => times.reduce((one, other) => Math.min(one, other))

/** From the first step that began to the last that ended; null while any may still begin or end. */
const duration = (entries: ReadonlyArray<Entry>): number | null => {
  const ran = entries.filter(({ state }) => state !== "skipped")
  const began = ran.flatMap((entry) => (entry.began === null ? [] : [entry.began]))
  const ended = ran.flatMap((entry) => (entry.ended === null ? [] : [entry.ended]))
  return began.length === 0 || ended.length < ran.length ? null : latest(ended) - earliest(began)
}

export const phaseReport = (phase: PhaseName, entries: ReadonlyArray<Entry>): PhaseReport => ({
  phase,
  state: phaseState(entries),
  duration_ms: duration(entries),
  steps: entries.map(stepReport)
})

/**
 * Which failures are a tenant's doing. They fail alone: the rest goes on, a start becomes `running`, and the next apply
 * tries again. What the spec asks of roles and databases and Postgres refuses is the spec's fault, and fails a start.
 *
 * Source: PostgreSQL documentation, appendix "PostgreSQL Error Codes".
 */
import * as Effect from "effect/Effect"
import type { PhaseName, Step } from "../../../domain/catalog/plan/Step.ts"
import type { SqlFailed } from "../../sql/errors.ts"
import type { Failure, Journal } from "./journal/journal.ts"

export interface Item {
  readonly phase: PhaseName
  readonly step: Step
}

/** What tells a tenant's doing from the spec's fault. */
export interface Circumstances {
  readonly journal: Journal
  /** Our own database. */
  readonly system: string
  /** It has been given to a tenant, and is one of his like any other. */
  readonly shared: boolean
}

export const LOCK_NOT_AVAILABLE = "55P03"
/** A session, a slot, a prepared transaction or a subscription uses the database. */
export const OBJECT_IN_USE = "55006"
const DEADLOCK_DETECTED = "40P01"
const SERIALIZATION_FAILURE = "40001"

/** Two transactions met, and one of them had to go. */
export const met = ({ sqlstate, message }: SqlFailed): boolean =>
  sqlstate === DEADLOCK_DETECTED ||
  sqlstate === SERIALIZATION_FAILURE ||
  (sqlstate === "XX000" && message.includes("tuple concurrently"))

/** Others have it at this moment. */
const isHeld = (error: SqlFailed): boolean =>
  error.sqlstate === LOCK_NOT_AVAILABLE || error.sqlstate === OBJECT_IN_USE || met(error)

/** A schema, a relation, another object, a function of the name is there already. */
const TAKEN: ReadonlySet<string | null> = new Set(["42P06", "42P07", "42710", "42723"])

/**
 * Their objects are in our own database, where others may have some of the same name: its owner, and on clusters born on 14
 * everybody.
 */
const WITHIN: ReadonlySet<PhaseName> = new Set([
  "schema neon",
  "databases",
  "other extensions",
  "neon extension",
  "databricks auth extension",
  "availability check",
  "databricks grants",
  "databricks functions",
  "record dropped subscriptions",
  "audit"
])

/** A connection that breaks is nobody's doing: the server has gone, or its machine is in trouble. */
const isAnswer = ({ sqlstate }: SqlFailed) => sqlstate !== null && !sqlstate.startsWith("57P")

/** Records a failed step. */
export const fails = (
  { journal, system, shared }: Circumstances,
  { phase, step }: Item,
  error: SqlFailed
): Effect.Effect<ReadonlyArray<Failure>> =>
  Effect.as(journal.failed(step, error), [
    {
      phase,
      object: step.object,
      database: step.database ?? step.drops ?? step.creates,
      error,
      alone:
        (step.database !== null && step.database !== system) ||
        isHeld(error) ||
        (WITHIN.has(phase) && TAKEN.has(error.sqlstate)) ||
        (shared && isAnswer(error) && (WITHIN.has(phase) || step.database === system))
    }
  ])

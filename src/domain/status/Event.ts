/**
 * What happens to a compute, as `/events` tells it and `/history` remembers it. Times are RFC 3339 with `Z`.
 */
import * as Schema from "effect/Schema"
import { ComputeStatus } from "./ComputeStatus.ts"

const text = Schema.NullOr(Schema.String)
const at = Schema.String

/** The status has changed; the first that a listener gets says what it is, without a cause. */
const Transition = Schema.Struct({
  /** Of all events: members are added, never changed. In the first that a listener gets. */
  version: Schema.optionalKey(Schema.Literal(1)),
  kind: Schema.Literal("state"),
  at,
  from: Schema.NullOr(ComputeStatus),
  status: ComputeStatus,
  cause: text,
  error: text
}).annotate({ identifier: "StateEvent" })

/** Something is waited for, until `deadline` if it has one. */
const Waiting = Schema.Struct({
  kind: Schema.Literal("wait"),
  at,
  name: Schema.String,
  state: Schema.Literals(["begun", "ended", "expired"]),
  deadline: text
}).annotate({ identifier: "WaitEvent" })

/** A step of an apply. */
const Stepped = Schema.Struct({
  kind: Schema.Literal("step"),
  at,
  phase: Schema.String,
  object: Schema.String,
  /** Null: the system database. */
  database: text,
  state: Schema.Literals(["running", "done", "failed", "skipped"]),
  /** Why it failed, or was skipped. */
  reason: text
}).annotate({ identifier: "StepEvent" })

/** An apply has begun or ended. */
const Applied = Schema.Struct({
  kind: Schema.Literal("apply"),
  at,
  trigger: Schema.Literals(["start", "reconfigure"]),
  state: Schema.Literals(["running", "done", "failed", "interrupted"]),
  duration_ms: Schema.NullOr(Schema.Finite),
  error: text
}).annotate({ identifier: "ApplyEvent" })

/** The configuration was fetched again, since Postgres could not reach its pageservers. */
const Refreshed = Schema.Struct({
  kind: Schema.Literal("refresh"),
  at,
  outcome: Schema.Literals(["unchanged", "reconfigured", "detached", "failed"]),
  error: text
}).annotate({ identifier: "RefreshEvent" })

export const Remembered = Schema.Union([Transition, Applied, Refreshed])
export type Remembered = typeof Remembered.Type

export const Event = Schema.Union([Transition, Waiting, Stepped, Applied, Refreshed])
export type Event = typeof Event.Type

type Untimed<E> = E extends Event ? Omit<E, "at"> : never

/** An event at the time when it is told. */
export type Told = Untimed<Event>

export const isRemembered = (event: Event): event is Remembered => event.kind !== "wait" && event.kind !== "step"

/**
 * What the emulated peers do wrong, as data. A fault names a peer, optionally one member of it and a text its requests
 * contain, and what happens then. The list is tried in order; every fault that fits acts.
 */
import * as Schema from "effect/Schema"

/** `sync` is the `--sync-safekeepers` child, `grpc` the pageserver's second door. */
export const Peer = Schema.Literals(["safekeeper", "pageserver", "grpc", "storage", "control", "extensions", "sync"])
export type Peer = typeof Peer.Type

export const Natural = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const after = Schema.optional(Natural)

export const Action = Schema.Union([
  /** The connection is reset as soon as it is accepted. */
  Schema.Struct({ do: Schema.Literal("refuse") }),
  /** Waits, then goes on as usual. */
  Schema.Struct({ do: Schema.Literal("delay"), ms: Natural }),
  /** Says nothing, or nothing more after so many bytes of the answer, and keeps the connection open. */
  Schema.Struct({ do: Schema.Literal("silence"), after }),
  /** Breaks the connection after so many bytes of the answer. */
  Schema.Struct({ do: Schema.Literal("cut"), after: Natural }),
  /** An error in the peer's own form: `code` is an SQLSTATE, a gRPC status name or an HTTP status. */
  Schema.Struct({ do: Schema.Literal("error"), code: Schema.String, message: Schema.String, after }),
  /** Inverts one byte of the archive. */
  Schema.Struct({ do: Schema.Literal("corrupt"), at: Natural }),
  /** The archive goes out at this rate. */
  Schema.Struct({ do: Schema.Literal("slow"), bytesPerSecond: Schema.Number.check(Schema.isGreaterThan(0)) }),
  /** Safekeepers report these positions, `HI/LO`. */
  Schema.Struct({ do: Schema.Literal("lsn"), flush: Schema.String, commit: Schema.String }),
  /** The timeline is unknown here. */
  Schema.Struct({ do: Schema.Literal("missing") }),
  /** The token is refused, whatever it says. */
  Schema.Struct({ do: Schema.Literal("denied") }),
  /** Leases last this long; null = refused, because the position lies behind the garbage collection's cutoff. */
  Schema.Struct({ do: Schema.Literal("lease"), ms: Schema.NullOr(Schema.Int) }),
  /**
   * These bytes as they are in place of the answer, in base64; then `repeat` for as long as the peer listens. On HTTP they
   * are the whole answer, head included; by gRPC the data after the head; with `match: "startup"` all that a Postgres
   * server says. The connection stays open behind them unless `close` ends it.
   */
  Schema.Struct({
    do: Schema.Literal("raw"),
    bytes: Schema.String,
    repeat: Schema.optional(Schema.String),
    close: Schema.optional(Schema.Boolean)
  }),
  /** The sync child prints this text as it is and ends with this code. */
  Schema.Struct({ do: Schema.Literal("print"), stdout: Schema.String, exit: Schema.Int })
])
export type Action = typeof Action.Type

export const Fault = Schema.Struct({
  peer: Peer,
  /** One of several safekeepers or pageservers, counted from 0. */
  member: Schema.optional(Natural),
  /** Acts only on requests that contain this text. */
  match: Schema.optional(Schema.String),
  /** Lets so many fitting requests pass first. */
  skip: Schema.optional(Natural),
  /** Acts so many times, then is gone. Without it: always. */
  times: Schema.optional(Schema.Number.check(Schema.isGreaterThan(0))),
  action: Action
})
export type Fault = typeof Fault.Type

/** One fault or a list of them. */
export const Faults = Schema.Union([Schema.Array(Fault), Fault])

/** True when the fault speaks of connections rather than requests. */
export const onConnect = (fault: Fault): boolean => fault.action.do === "refuse"

export const fits = (fault: Fault, peer: Peer, member: number, request: string): boolean =>
  fault.peer === peer &&
  (fault.member === undefined || fault.member === member) &&
  (fault.match === undefined || request.includes(fault.match))

/**
 * The actions for one request, and what is left of the list afterwards. Faults that only count down (`skip`) do not act.
 */
export const take = (
  faults: ReadonlyArray<Fault>,
  applies: (fault: Fault) => boolean
): { readonly actions: ReadonlyArray<Action>; readonly left: ReadonlyArray<Fault> } => {
  const actions: Array<Action> = []
  const left = faults.flatMap((fault): ReadonlyArray<Fault> => {
    if (!applies(fault)) return [fault]
    if (fault.skip !== undefined && fault.skip > 0) return [{ ...fault, skip: fault.skip - 1 }]
    actions.push(fault.action)
    if (fault.times === undefined) return [fault]
    return fault.times > 1 ? [{ ...fault, times: fault.times - 1 }] : []
  })
  return { actions, left }
}

/** The first action of one kind. */
export const find = <K extends Action["do"]>(
  actions: ReadonlyArray<Action>,
  kind: K
): Extract<Action, { readonly do: K }> | undefined =>
  actions.find((action): action is Extract<Action, { readonly do: K }> => action.do === kind)

/** The same, of those that do not wait until so many bytes of the answer are out. */
export const atOnce = <K extends "silence" | "error">(actions: ReadonlyArray<Action>, kind: K) =>
  find(
    actions.filter((action) => !("after" in action) || action.after === undefined),
    kind
  )

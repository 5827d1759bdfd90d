/**
 * Requests to end this process. The first one starts the shutdown; a more urgent one that comes later takes its place.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { TerminateMode } from "../../../domain/status/ComputeStatus.ts"
import * as Watched from "../Watched.ts"

export type StopReason =
  /** `/terminate`: stop Postgres, sync the safekeepers, answer, wait as the mode says, exit with Postgres's code. */
  | { readonly _tag: "Terminate"; readonly mode: TerminateMode }
  /** Stop Postgres (SIGINT, or SIGQUIT when `immediate`) and exit 1. */
  | { readonly _tag: "Signal"; readonly signal: NodeJS.Signals; readonly immediate: boolean }
  /** A refresh found that the compute has no spec any more: stop Postgres in order and exit 1. */
  | { readonly _tag: "Detached" }
  /** The watchdog of lakebase mode: not running in time, exit 1. */
  | { readonly _tag: "InitTimeout" }
  /** An error that nobody caught: stop Postgres in order and exit 1. */
  | { readonly _tag: "Crashed" }

/** Higher is more urgent; equal urgency keeps the earlier request. */
const urgency = (reason: StopReason): number => {
  switch (reason._tag) {
    case "Detached":
    case "InitTimeout":
      return 1
    case "Terminate":
      return reason.mode === "fast" ? 1 : 2
    case "Crashed":
      return 3
    case "Signal":
      return reason.immediate ? 4 : 3
  }
}

/** Whether `later` takes the place of `earlier`. */
export const overrides = (later: StopReason, earlier: StopReason): boolean => urgency(later) > urgency(earlier)

export class StopRequests extends Context.Service<
  StopRequests,
  {
    readonly request: (reason: StopReason) => Effect.Effect<void>
    /** The reason in force; waits for the first. */
    readonly await: Effect.Effect<StopReason>
    /** Waits until the reason in force satisfies the predicate: how a running shutdown notices an escalation. */
    readonly awaitMatching: (predicate: (reason: StopReason) => boolean) => Effect.Effect<StopReason>
    /** Null as long as nobody asked. */
    readonly current: Effect.Effect<StopReason | null>
  }
>()("compute/StopRequests") {
  static readonly layer = Layer.sync(this, () => {
    const watched = Watched.make<StopReason | null>(null)
    const awaitMatching = (predicate: (reason: StopReason) => boolean) =>
      Effect.flatMap(
        watched.await((reason) => reason !== null && predicate(reason)),
        (reason) => (reason === null ? Effect.never : Effect.succeed(reason))
      )
    return StopRequests.of({
      request: (reason) =>
        watched.modify((earlier) => [undefined, earlier === null || overrides(reason, earlier) ? reason : earlier]),
      await: awaitMatching(() => true),
      awaitMatching,
      current: watched.get
    })
  })
}

/**
 * `POST /terminate`: stops the compute and answers with the LSN at which its safekeepers are in sync.
 *
 * Source: `compute_tools/src/http/routes/terminate.rs`.
 */
import * as Effect from "effect/Effect"
import type { Lsn } from "../../domain/spec/Lsn.ts"
import type { TerminateMode } from "../../domain/status/ComputeStatus.ts"
import { ComputeState } from "../../layers/compute/ComputeState.ts"
import { Options } from "../../layers/compute/Options.ts"
import { StopRequests } from "../../layers/compute/stop/StopRequests.ts"

export type Terminated =
  /** `lsn` is null unless the compute was a primary. `repeated`: it had been terminated before. */
  | { readonly _tag: "Terminated"; readonly repeated: boolean; readonly lsn: Lsn | null }
  /** The process leaves before it knows the LSN: whoever waits must not take that for "there is none". */
  | { readonly _tag: "Unanswered" }
  /** An empty lakebase instance: it answers without a body and ends a few seconds later, its status unchanged. */
  | { readonly _tag: "Leaving" }

/**
 * Cancels whatever is under way, a start or a reconfiguration too. Fails with `InvalidStatus` when the compute cannot be terminated
 * now. The mode decides how long the API answers on afterwards.
 */
export const terminate = Effect.fn("terminate")(function* (mode: TerminateMode) {
  const state = yield* ComputeState
  const stops = yield* StopRequests
  const options = yield* Options
  const before = yield* state.get
  if (before.status === "terminated") {
    return { _tag: "Terminated", repeated: true, lsn: before.terminateFlushLsn } satisfies Terminated
  }
  if (before.status === "empty" && options.lakebaseMode) {
    yield* stops.request({ _tag: "Terminate", mode })
    return { _tag: "Leaving" } satisfies Terminated
  }
  yield* state.transition(mode === "fast" ? "terminate fast" : "terminate immediate")
  yield* stops.request({ _tag: "Terminate", mode })
  const { status, terminateFlushLsn } = yield* state.await((now) => now.status === "terminated" || now.cutShort)
  if (status !== "terminated") return { _tag: "Unanswered" } satisfies Terminated
  return { _tag: "Terminated", repeated: false, lsn: terminateFlushLsn } satisfies Terminated
})

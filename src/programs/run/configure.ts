/**
 * `POST /configure`: gives the compute a spec and waits for what becomes of it.
 *
 * Source: `compute_tools/src/http/routes/configure.rs`.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { ComputeSpec } from "../../domain/spec/ComputeSpec.ts"
import { parseSteps } from "../../domain/spec/ParsedSpec.ts"
import { isTerminating } from "../../domain/status/ComputeStatus.ts"
import { ComputeState, type State } from "../../layers/compute/ComputeState.ts"
import { resultInSlices } from "../../layers/compute/clock/Slices.ts"
import { rememberRequest } from "../../layers/observe/trace/Telemetry.ts"

/** The configuration was taken and did not succeed. `error` is the chain also shown by `/status`. */
export class ConfigurationFailed extends Data.TaggedError("ConfigurationFailed")<{ readonly error: string | null }> {
  override get message() {
    return `compute configuration failed: ${JSON.stringify(this.error ?? "unknown error")}`
  }
}

const isAnswer = ({ status }: State): boolean => status === "running" || status === "failed" || isTerminating(status)

const reason = ({ status, error }: State): string | null =>
  status === "failed" ? error : isTerminating(status) ? "the compute is being terminated" : "Postgres has ended"

/**
 * Fails with `InvalidSpec` for a spec that cannot be run, whatever the status, and with `InvalidStatus` when nothing
 * may be configured now. `accepted` is done when neither is so. The work is the compute's: it goes on when the caller is gone.
 */
export const configure = Effect.fn("configure")(function* <R = never>(
  spec: ComputeSpec,
  accepted: Effect.Effect<void, never, R> = Effect.void
) {
  const state = yield* ComputeState
  const parsed = yield* resultInSlices(parseSteps(spec))
  const { status } = yield* state.get
  yield* rememberRequest
  yield* state.transition("configure", () => ({ spec: parsed, unasked: false }))
  yield* accepted
  // Once there was a Postgres, nobody acts on a configuration that finds it gone.
  const settled = yield* state.await((now) => isAnswer(now) || (status !== "empty" && !now.postgresRuns))
  if (settled.status === "running") return settled
  return yield* new ConfigurationFailed({ error: reason(settled) })
})

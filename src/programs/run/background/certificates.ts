/**
 * A renewed certificate is put in place by a reconfiguration, once nothing else is going on.
 *
 * Source: `compute_tools/src/tls.rs` (`watch_cert_for_changes`), `compute_tools/src/compute.rs` (`watch_cert_for_changes`).
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Stream from "effect/Stream"
import { isTerminating } from "../../../domain/status/ComputeStatus.ts"
import { ComputeState } from "../../../layers/compute/ComputeState.ts"
import { Certificates } from "../../../layers/neighbours/Certificates.ts"
import { Reconfiguration } from "../reconfigure.ts"

/**
 * Runs as long as the compute does. The pair that is there at its begin counts as applied: the start copies it. Whatever
 * puts a new pair in place first, a `/configure` for instance, leaves nothing to do here.
 */
export const watchCertificates = Effect.gen(function* () {
  const certificates = yield* Certificates
  const state = yield* ComputeState
  const reconfiguration = yield* Reconfiguration
  const known = yield* Ref.make<string | null>(null)

  const isApplied = (digest: string) =>
    Effect.map(
      Effect.all([Ref.get(known), reconfiguration.certificate]),
      ([first, latest]) => (latest ?? first) === digest
    )

  const apply = Effect.fnUntraced(function* (announced: string) {
    for (;;) {
      const { status } = yield* state.await(({ status }) => status === "running" || isTerminating(status))
      if (status !== "running") return
      const digest = Option.getOrElse(
        yield* Effect.option(Effect.map(certificates.pair, (pair) => pair.digest)),
        () => announced
      )
      if (yield* isApplied(digest)) return
      // Something else may have come first: then its end is waited for.
      const begun = yield* Effect.option(state.transition("certificate changed", () => ({ unasked: true })))
      if (Option.isNone(begun)) continue
      yield* Effect.logInfo("TLS certificate has changed, reconfiguring")
      // Whatever comes of it, the next try is due to the next change.
      yield* state.await(({ status }) => status !== "configuration_pending" && status !== "configuration")
      return
    }
  })

  yield* certificates.ready
  yield* Ref.set(known, (yield* certificates.pair).digest)
  yield* certificates.changes.pipe(
    Stream.buffer({ capacity: 1, strategy: "sliding" }),
    Stream.runForEach((digest) => apply(digest))
  )
})

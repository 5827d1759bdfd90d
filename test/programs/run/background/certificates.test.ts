import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { ComputeState } from "../../../../src/layers/compute/ComputeState.ts"
import { Certificates, type KeyPair } from "../../../../src/layers/neighbours/Certificates.ts"
import { watchCertificates } from "../../../../src/programs/run/background/certificates.ts"
import { Reconfiguration } from "../../../../src/programs/run/reconfigure.ts"
import { basics, fake, settle, spec } from "../../fakes.ts"

/** A compute with a watched pair; `renew` replaces it. */
const watching = <A, E>(
  test: (
    renew: (digest: string) => Effect.Effect<void>,
    put: (digest: string) => Effect.Effect<void>
  ) => Effect.Effect<A, E, ComputeState>
) =>
  Effect.gen(function* () {
    const renewals = yield* Queue.unbounded<string>()
    let current = "first"
    let applied: string | null = null
    const certificates = fake(Certificates, {
      ready: Effect.void,
      pair: Effect.sync(() => ({ digest: current }) as KeyPair),
      changes: Stream.fromQueue(renewals)
    })
    const reconfiguration = fake(Reconfiguration, { certificate: Effect.sync(() => applied) })
    yield* Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(watchCertificates)
      yield* settle
      yield* test(
        (digest) =>
          Effect.sync(() => {
            current = digest
          }).pipe(Effect.andThen(Queue.offer(renewals, digest)), Effect.andThen(settle)),
        (digest) =>
          Effect.sync(() => {
            applied = digest
          })
      )
      yield* Fiber.interrupt(fiber)
    }).pipe(Effect.provide(Layer.mergeAll(basics, certificates, reconfiguration)))
  })

const become = (
  ...causes: ReadonlyArray<"spec at start" | "started" | "configure" | "reconfiguration begins" | "reconfigured">
) =>
  Effect.gen(function* () {
    const state = yield* ComputeState
    for (const cause of causes) yield* state.transition(cause, () => ({ spec: spec(), postgresRuns: true }))
    yield* settle
  })
const status = Effect.flatMap(ComputeState, (state) => Effect.map(state.get, (current) => current.status))

describe("certificate watch", () => {
  it.effect("does nothing after a start, and reconfigures once for a renewal", () =>
    watching((renew, put) =>
      Effect.gen(function* () {
        yield* become("spec at start", "started")
        assert.strictEqual(yield* status, "running")
        yield* renew("second")
        assert.strictEqual(yield* status, "configuration_pending")
        yield* put("second")
        yield* become("reconfiguration begins", "reconfigured")
        assert.strictEqual(yield* status, "running")
        yield* renew("second")
        assert.strictEqual(yield* status, "running")
      })
    )
  )

  it.effect("waits for a start", () =>
    watching((renew) =>
      Effect.gen(function* () {
        yield* become("spec at start")
        yield* renew("second")
        assert.strictEqual(yield* status, "init")
        yield* become("started")
        assert.strictEqual(yield* status, "configuration_pending")
      })
    )
  )

  it.effect("leaves it to a configuration that is under way already", () =>
    watching((renew, put) =>
      Effect.gen(function* () {
        yield* become("spec at start", "started", "configure", "reconfiguration begins")
        yield* renew("second")
        yield* put("second")
        yield* become("reconfigured")
        assert.strictEqual(yield* status, "running")
      })
    )
  )

  it.effect("has nothing to do when the first pair comes back", () =>
    watching((renew) =>
      Effect.gen(function* () {
        yield* become("spec at start")
        yield* renew("second")
        yield* renew("first")
        yield* become("started")
        assert.strictEqual(yield* status, "running")
      })
    )
  )
})

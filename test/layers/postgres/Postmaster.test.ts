import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import { Account } from "../../../src/layers/machine/Account.ts"
import { Children, type Ended } from "../../../src/layers/machine/child/Children.ts"
import { Postmaster } from "../../../src/layers/postgres/Postmaster.ts"
import { basics, fake, options } from "../../programs/fakes.ts"
import { tempDir } from "../../rig/postgres.ts"

type Ladder = ReadonlyArray<readonly [NodeJS.Signals, Duration.Input]>

/** A server that ends when it is stopped; by which signals, and how patiently, is written down. */
const stopped = (mode: "fast" | "immediate" | "scope") =>
  Effect.gen(function* () {
    const ladders: Array<Ladder> = []
    const ended = yield* Deferred.make<Ended>()
    const end = Deferred.succeed(ended, { _tag: "Exited", code: 2 } as const)
    const children = fake(Children, {
      spawn: (_, { ladder = [] } = {}) =>
        Effect.gen(function* () {
          yield* Effect.addFinalizer(() =>
            Effect.andThen(
              Effect.sync(() => ladders.push(ladder)),
              end
            )
          )
          return {
            pid: process.pid,
            ended: Deferred.await(ended),
            signal: () => Effect.void,
            stop: (given: Ladder) => {
              ladders.push(given)
              return Effect.andThen(end, Deferred.await(ended))
            },
            raw: { stdin: null, stdout: null },
            stdout: Stream.empty,
            stderr: Stream.empty
          }
        })
    })
    const pgdata = yield* tempDir("postmaster-")
    const machine = Layer.mergeAll(
      children,
      fake(Account, { postgres: null }),
      options({ pgdata, isVm: false }),
      basics
    )
    const code = yield* Effect.scoped(
      Effect.gen(function* () {
        const postmaster = yield* Postmaster
        const postgres = yield* postmaster.start(null)
        return mode === "scope" ? null : yield* postgres.stop(mode)
      })
    ).pipe(Effect.provide(Postmaster.layer.pipe(Layer.provide(machine))))
    return { code, ladder: ladders[0] }
  })

describe("a Postgres that does not stop when asked", () => {
  const immediate: Ladder = [
    ["SIGQUIT", "5 seconds"],
    ["SIGKILL", "1 minute"]
  ]

  it.live("has the time of a checkpoint within a pod's grace period, then is told to leave at once, then killed", () =>
    Effect.gen(function* () {
      const { code, ladder } = yield* stopped("fast")
      // Together half a minute: who waits for the answer of /terminate has it by then.
      assert.deepStrictEqual(ladder, [["SIGINT", "25 seconds"], ...immediate])
      assert.deepStrictEqual(code, { _tag: "Exited", code: 2 })
    })
  )

  it.live("is told to leave at once, then killed, when somebody is impatient or the compute fails", () =>
    Effect.gen(function* () {
      for (const mode of ["immediate", "scope"] as const) {
        assert.deepStrictEqual((yield* stopped(mode)).ladder, immediate)
      }
    })
  )
})

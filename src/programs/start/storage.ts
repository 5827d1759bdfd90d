/**
 * The connections to storage that a start has use for, made before anything else that can wait: by the time the machine is
 * prepared they are there.
 */
import * as Effect from "effect/Effect"
import type * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import type { ParsedSpec } from "../../domain/spec/ParsedSpec.ts"
import type { Pageserver } from "../../layers/storage/pageserver/Pageserver.ts"
import { type Checked, Safekeepers } from "../../layers/storage/safekeepers/Safekeepers.ts"
import { connectForBasebackup } from "./basebackup.ts"

export interface Storage {
  /** Asks the safekeepers, once. Where no election follows none is connected to. */
  readonly check: Effect.Effect<Checked>
  readonly takeBasebackup: Effect.Success<ReturnType<typeof connectForBasebackup>>
  /** Closes what is open. */
  readonly over: (exit: Exit.Exit<unknown, unknown>) => Effect.Effect<void>
}

const unasked: Effect.Effect<Checked> = Effect.succeed({ lsn: null, tookMs: 0 })

/** Does not wait for any of them. They close with the scope at the latest. */
export const connectToStorage = (
  spec: ParsedSpec
): Effect.Effect<Storage, never, Pageserver | Safekeepers | Scope.Scope> =>
  Effect.gen(function* () {
    const own = yield* Scope.fork(yield* Effect.scope)
    const safekeepers = yield* Safekeepers
    const takeBasebackup = yield* Scope.provide(connectForBasebackup(spec), own)
    const check = spec.spec.mode === "Primary" ? yield* Scope.provide(safekeepers.connectEarly(spec), own) : unasked
    return { check, takeBasebackup, over: (exit) => Scope.close(own, exit) }
  })

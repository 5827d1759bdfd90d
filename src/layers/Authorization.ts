/**
 * Who may use the external API: holders of a token signed with one of the keys this process was started with.
 *
 * Source: `compute_tools/src/http/middleware/authorize.rs`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Claims, denial, isExpired, notVerified } from "../domain/Claims.ts"
import type { JwkSet } from "../domain/ComputeConfig.ts"
import { Unauthorized } from "./authorization/Unauthorized.ts"
import type { Verifier } from "./authorization/Verifier.ts"
import { MachineConfig, Options } from "./Options.ts"

interface Settings {
  readonly jwks: JwkSet
  readonly computeId: string
  /** Everything is allowed, without a token: the network in front of the port decides. */
  readonly open: boolean
}

export class Authorization extends Context.Tag("compute/Authorization")<
  Authorization,
  {
    /** Succeeds when the `Authorization` header opens this compute; the claims are null where none are asked for. */
    readonly check: (header: string | undefined) => Effect.Effect<Claims | null, Unauthorized>
  }
>() {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const { computeId, instanceId, lakebaseMode } = yield* Options
      const { jwks } = yield* MachineConfig
      if (instanceId !== null && !lakebaseMode) {
        yield* Effect.logWarning("INSTANCE_ID opens the HTTP API in lakebase mode only: requests need a token")
      }
      return yield* make({ jwks, computeId, open: instanceId !== null && lakebaseMode })
    })
  )

  static readonly layerFrom = (settings: Settings) => Layer.effect(this, make(settings))
}

const make = ({ computeId, jwks, open }: Settings) =>
  Effect.gen(function* () {
    if (open) return Authorization.of({ check: () => Effect.succeed(null) })
    const clock = yield* Effect.clock
    // Keys are imported, and cryptography is loaded, when the first token comes.
    let loaded: Verifier | undefined
    const load = yield* Effect.promise(() => import("./authorization/Verifier.ts")).pipe(
      Effect.flatMap(({ makeVerifier }) => makeVerifier(jwks)),
      Effect.tap((verifier) => {
        loaded = verifier
      }),
      Effect.cached
    )
    const decide = (claims: Claims): Effect.Effect<Claims, Unauthorized> => {
      if (isExpired(claims, Math.floor(clock.unsafeCurrentTimeMillis() / 1000))) return new Unauthorized(notVerified)
      const denied = denial(claims, computeId)
      return denied === null ? Effect.succeed(claims) : new Unauthorized(denied)
    }
    const checkWith = (verifier: Verifier, header: string | undefined) => {
      const known = verifier.known(header)
      return known === undefined ? Effect.flatMap(verifier.verify(header), decide) : decide(known)
    }
    return Authorization.of({
      check: (header) =>
        loaded === undefined
          ? Effect.flatMap(load, (verifier) => checkWith(verifier, header))
          : checkWith(loaded, header)
    })
  })

/**
 * Who may use the external API: holders of a token signed with one of the keys this process was started with, or with one
 * that a holder of such a token has brought since.
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
    /**
     * The set in force from now on. The one before it goes on to count, for tokens that are on their way. An empty set
     * changes nothing: many clients send one, and nobody could send anything after it.
     */
    readonly adopt: (jwks: JwkSet) => Effect.Effect<void>
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

interface KeySet {
  readonly jwks: JwkSet
  readonly load: Effect.Effect<Verifier>
  /** What `load` came to: looked at first, since every request pays for what is on the way. */
  loaded: Verifier | undefined
}

/** Keys are imported, and cryptography is loaded, when the first token comes. */
const keySet = (jwks: JwkSet): Effect.Effect<KeySet> =>
  Effect.gen(function* () {
    const load = yield* Effect.promise(() => import("./authorization/Verifier.ts")).pipe(
      Effect.flatMap(({ makeVerifier }) => makeVerifier(jwks)),
      Effect.tap((verifier) => {
        set.loaded = verifier
      }),
      Effect.cached
    )
    const set: KeySet = { jwks, load, loaded: undefined }
    return set
  })

const text = ({ keys }: JwkSet): string => JSON.stringify(keys)

const make = ({ computeId, jwks, open }: Settings) =>
  Effect.gen(function* () {
    if (open) return Authorization.of({ check: () => Effect.succeed(null), adopt: () => Effect.void })
    const clock = yield* Effect.clock
    let current = yield* keySet(jwks)
    let previous: KeySet | null = null
    const decide = (claims: Claims): Effect.Effect<Claims, Unauthorized> => {
      if (isExpired(claims, Math.floor(clock.unsafeCurrentTimeMillis() / 1000))) return new Unauthorized(notVerified)
      const denied = denial(claims, computeId)
      return denied === null ? Effect.succeed(claims) : new Unauthorized(denied)
    }
    const checkWith = (verifier: Verifier, header: string | undefined) => {
      const known = verifier.known(header)
      return known === undefined ? Effect.flatMap(verifier.verify(header), decide) : decide(known)
    }
    const checkAgainst = (set: KeySet, header: string | undefined) =>
      set.loaded === undefined
        ? Effect.flatMap(set.load, (verifier) => checkWith(verifier, header))
        : checkWith(set.loaded, header)
    return Authorization.of({
      check: (header) => {
        const former = previous
        const checked = checkAgainst(current, header)
        return former === null
          ? checked
          : Effect.catchIf(
              checked,
              ({ text }) => text === notVerified.text,
              () => checkAgainst(former, header)
            )
      },
      adopt: (brought) =>
        Effect.gen(function* () {
          if (brought.keys.length === 0 || text(brought) === text(current.jwks)) return
          const names = brought.keys.map(({ kid }, index) => kid ?? `#${index}`).join(", ")
          yield* Effect.logInfo(`keys of the API from now on: ${names}; those before them still count`)
          const next = yield* keySet(brought)
          previous = current
          current = next
        })
    })
  })

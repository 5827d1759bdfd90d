/**
 * Who may use the external API: holders of a token signed with one of the keys this process was started with, or with one
 * that the control plane has brought since.
 *
 * Source: `compute_tools/src/http/middleware/authorize.rs`.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { type Claims, denial, isAdmin, isExpired, notAdmin, notVerified } from "../../../domain/api/Claims.ts"
import { brought, type HeldKey, heldKeys, type KeyRing, keyName, setsOf, started } from "../../../domain/api/KeyRing.ts"
import type { JwkSet } from "../../../domain/spec/ComputeConfig.ts"
import { wallMillisUnsafe } from "../clock/WallClock.ts"
import { MachineConfig, Options } from "../Options.ts"
import type { ImportedKeys } from "./importedKey.ts"
import { Unauthorized } from "./Unauthorized.ts"
import type { Verifier } from "./Verifier.ts"

interface Settings {
  readonly jwks: JwkSet
  readonly computeId: string
  /** Everything is allowed, without a token: the network in front of the port decides. */
  readonly open: boolean
}

export class Authorization extends Context.Service<
  Authorization,
  {
    /** Succeeds when the `Authorization` header opens this compute; the claims are null where none are asked for. */
    readonly check: (header: string | undefined) => Effect.Effect<Claims | null, Unauthorized>
    /** As `check`, and the token must be the control plane's own. */
    readonly checkAdmin: (header: string | undefined) => Effect.Effect<void, Unauthorized>
    /**
     * Takes the keys that a holder of the control plane's own token brings; `header` is that of his request. A token for
     * one compute brings none: it would outlive its expiry as a key.
     */
    readonly adopt: (header: string | undefined, jwks: JwkSet) => Effect.Effect<void>
    /** Those that count now. */
    readonly keys: Effect.Effect<ReadonlyArray<HeldKey>>
  }
>()("compute/Authorization") {
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

/** What a ring's verifier came to is looked at first, since every request pays for what is on the way. */
interface Lock {
  readonly load: Effect.Effect<Verifier>
  loaded: Verifier | undefined
}

/** Keys are imported, and cryptography is loaded, when the first token comes. */
const lockOf = (ring: KeyRing, imported: ImportedKeys): Effect.Effect<Lock> =>
  Effect.gen(function* () {
    const load = yield* Effect.promise(() => import("./Verifier.ts")).pipe(
      Effect.flatMap(({ makeVerifier }) => makeVerifier(setsOf(ring), imported)),
      Effect.tap((verifier) =>
        Effect.sync(() => {
          lock.loaded = verifier
        })
      ),
      Effect.cached
    )
    const lock: Lock = { load, loaded: undefined }
    return lock
  })

/** Names of keys that a log line shows. */
const NAMED = 3

const namesOf = ({ keys }: JwkSet): string => {
  const names = keys.slice(0, NAMED).map(keyName).join(", ")
  return keys.length > NAMED ? `${names} and ${keys.length - NAMED} more` : names
}

const make = Effect.fnUntraced(function* ({ computeId, jwks, open }: Settings) {
  if (open) {
    return Authorization.of({
      check: () => Effect.succeed(null),
      checkAdmin: () => Effect.void,
      adopt: () => Effect.void,
      keys: Effect.succeed([])
    })
  }
  const clock = yield* Clock.Clock
  const imported: ImportedKeys = new WeakMap()
  let ring = started(jwks, wallMillisUnsafe(clock))
  let lock = yield* lockOf(ring, imported)

  const decide = (claims: Claims): Effect.Effect<Claims, Unauthorized> => {
    if (isExpired(claims, Math.floor(wallMillisUnsafe(clock) / 1000))) return Effect.fail(new Unauthorized(notVerified))
    const denied = denial(claims, computeId)
    return denied === null ? Effect.succeed(claims) : Effect.fail(new Unauthorized(denied))
  }
  const checkWith = (verifier: Verifier, header: string | undefined) => {
    const known = verifier.known(header)
    return known === undefined ? Effect.flatMap(verifier.verify(header), decide) : decide(known)
  }
  const check = (header: string | undefined) =>
    lock.loaded === undefined
      ? Effect.flatMap(lock.load, (verifier) => checkWith(verifier, header))
      : checkWith(lock.loaded, header)

  const checkAdmin = (header: string | undefined) =>
    Effect.flatMap(check(header), (claims) => (isAdmin(claims) ? Effect.void : Effect.fail(new Unauthorized(notAdmin))))

  const adopt = Effect.fnUntraced(function* (header: string | undefined, set: JwkSet) {
    if (brought(ring, set, 0) === null) return
    const claims = yield* Effect.option(check(header))
    if (Option.isNone(claims) || !isAdmin(claims.value)) {
      return yield* Effect.logWarning(
        "the keys of this configuration are ignored: only a token with the scope compute_ctl:admin brings keys"
      )
    }
    const next = brought(ring, set, wallMillisUnsafe(clock))
    if (next === null) return
    ring = next
    lock = yield* lockOf(next, imported)
    yield* Effect.logInfo(`keys of the API from now on: ${namesOf(set)}; those before them count until the next set`)
  })

  return Authorization.of({ check, checkAdmin, adopt, keys: Effect.sync(() => heldKeys(ring)) })
})

/**
 * Signatures of tokens, checked with the keys of all sets that count.
 */
import { hash, verify as verifySignature } from "node:crypto"
import * as Effect from "effect/Effect"
import {
  type Algorithm,
  algorithmOf,
  bearer,
  type Claims,
  type Jws,
  MAX_TOKEN,
  noToken,
  notVerified,
  parseToken
} from "../../../domain/api/Claims.ts"
import { keyName } from "../../../domain/api/KeyRing.ts"
import type { Steps } from "../../../domain/json/Steps.ts"
import type { JwkSet } from "../../../domain/spec/ComputeConfig.ts"
import { inSlices } from "../clock/Slices.ts"
import { type ImportedKeys, importedKey } from "./importedKey.ts"
import { Unauthorized } from "./Unauthorized.ts"

export interface Verifier {
  /** The claims of a token that has been verified lately; expiry and permission are for the caller to look at. */
  readonly known: (header: string | undefined) => Claims | undefined
  readonly verify: (header: string | undefined) => Effect.Effect<Claims, Unauthorized>
}

interface Candidate {
  readonly name: string
  readonly kid: string | null
  /** The one that its set stands for. */
  readonly algorithm: Algorithm
  readonly key: ReturnType<typeof importedKey>
}

/** Clients poll with the same token: so many of the verified ones are remembered, by hash. */
const REMEMBERED = 64
/**
 * Keys of a set with which one token is tried. Whoever has no good token sends as many bad ones as he likes, and a set may
 * be full of keys that are costly.
 */
const TRIED = 16
/** Keys that are named when a token was signed with none. */
const NAMED = 4

const digest = (token: string) => hash("sha256", token, "base64")

/** A key that OpenSSL does not want to work with verifies nothing. */
const verifies = ({ algorithm, key }: Candidate, jws: Jws): boolean => {
  const type = algorithm === "RS256" ? "rsa" : "ed25519"
  if (key?.asymmetricKeyType !== type || jws.algorithm !== algorithm) return false
  try {
    return verifySignature(algorithm === "RS256" ? "RSA-SHA256" : null, Buffer.from(jws.signed), key, jws.signature)
  } catch {
    return false
  }
}

/** Of one set; those that the token names come first, the others count as well, as they always have. */
const tried = (candidates: ReadonlyArray<Candidate>, { keyId }: Jws): ReadonlyArray<Candidate> => {
  const isNamed = ({ kid }: Candidate) => kid !== null && kid === keyId
  const usable = candidates.filter(({ key }) => key !== null)
  return [...usable.filter(isNamed), ...usable.filter((candidate) => !isNamed(candidate))].slice(0, TRIED)
}

/** One signature a step. */
function* signedWith(sets: ReadonlyArray<ReadonlyArray<Candidate>>, jws: Jws): Steps<boolean> {
  for (const candidate of sets.flatMap((candidates) => tried(candidates, jws))) {
    if (verifies(candidate, jws)) return true
    yield
  }
  return false
}

/** `imported`: what is known of keys already; a set that comes again is not imported again. */
export const makeVerifier = (sets: ReadonlyArray<JwkSet>, imported: ImportedKeys): Effect.Effect<Verifier> =>
  Effect.gen(function* () {
    const candidates: Array<ReadonlyArray<Candidate>> = []
    for (const jwks of sets) {
      const algorithm = algorithmOf(jwks)
      candidates.push(
        yield* Effect.forEach(jwks.keys, (jwk, index) => {
          const isNew = !imported.has(jwk)
          const candidate: Candidate = {
            name: keyName(jwk, index),
            kid: jwk.kid ?? null,
            algorithm,
            key: importedKey(jwk, imported)
          }
          if (!isNew || candidate.key !== null) return Effect.succeed(candidate)
          return Effect.logWarning("a key of the API is malformed and verifies nothing").pipe(
            Effect.annotateLogs({ kid: candidate.name }),
            Effect.as(candidate)
          )
        })
      )
    }
    const all = candidates.flat()

    const remembered = new Map<string, Claims>()
    const remember = (token: string, claims: Claims) => {
      const oldest = remembered.size >= REMEMBERED ? remembered.keys().next().value : undefined
      if (oldest !== undefined) remembered.delete(oldest)
      remembered.set(digest(token), claims)
    }

    const refuse = Effect.gen(function* () {
      for (const { name } of all.slice(0, NAMED)) {
        yield* Effect.logWarning("an authorization token was not signed with this key").pipe(
          Effect.annotateLogs({ kid: name })
        )
      }
      const more = all.length - NAMED
      if (more > 0) yield* Effect.logWarning(`nor with any that was tried of ${more} more`)
      return yield* new Unauthorized(notVerified)
    })

    const verify = Effect.fnUntraced(function* (token: string) {
      const jws = parseToken(token)
      if (jws === null || !(yield* inSlices(signedWith(candidates, jws)))) return yield* refuse
      remember(token, jws.claims)
      return jws.claims
    })

    const tokenOf = (header: string | undefined): string | null => {
      const token = bearer(header)
      return token === null || token.length > MAX_TOKEN ? null : token
    }

    return {
      known: (header) => {
        const token = tokenOf(header)
        return token === null ? undefined : remembered.get(digest(token))
      },
      verify: (header) => {
        const token = bearer(header)
        if (token === null) return Effect.fail(new Unauthorized(noToken))
        return token.length > MAX_TOKEN ? Effect.fail(new Unauthorized(notVerified)) : verify(token)
      }
    }
  })

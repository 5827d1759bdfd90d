/**
 * Signatures of tokens, checked with the keys of a set.
 */
import { createPublicKey, hash, type KeyObject, verify as verifySignature } from "node:crypto"
import * as Effect from "effect/Effect"
import { algorithmOf, base64Url, bearer, type Claims, noToken, notVerified, parseToken } from "../../domain/Claims.ts"
import type { Jwk, JwkSet } from "../../domain/ComputeConfig.ts"
import { Unauthorized } from "./Unauthorized.ts"

export interface Verifier {
  /** The claims of a token that has been verified lately; expiry and permission are for the caller to look at. */
  readonly known: (header: string | undefined) => Claims | undefined
  readonly verify: (header: string | undefined) => Effect.Effect<Claims, Unauthorized>
}

interface ImportedKey {
  /** Its `kid`, or its place in the set. */
  readonly name: string
  /** Null for one that cannot verify anything. */
  readonly key: KeyObject | null
}

/** Bits of an RSA modulus; others are no keys. */
const RSA_BITS = { min: 2048, max: 8192 }

const importKey = (jwk: Jwk): KeyObject | null => {
  switch (jwk.kty) {
    case "OKP":
      return base64Url(jwk.x)?.length === 32
        ? createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x: jwk.x } })
        : null
    case "RSA": {
      if (base64Url(jwk.n) === null || base64Url(jwk.e) === null) return null
      const key = createPublicKey({ format: "jwk", key: { kty: "RSA", n: jwk.n, e: jwk.e } })
      const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
      return bits >= RSA_BITS.min && bits <= RSA_BITS.max ? key : null
    }
    default:
      return null
  }
}

const imported = (jwk: Jwk, index: number): ImportedKey => {
  const name = jwk.kid ?? `#${index}`
  try {
    return { name, key: importKey(jwk) }
  } catch {
    return { name, key: null }
  }
}

/** Clients poll with the same token: so many of the verified ones are remembered, by hash. */
const REMEMBERED = 64

const digest = (token: string) => hash("sha256", token, "base64")

export const makeVerifier = (jwks: JwkSet): Effect.Effect<Verifier> =>
  Effect.gen(function* () {
    const algorithm = algorithmOf(jwks)
    const keyType = algorithm === "RS256" ? "rsa" : "ed25519"
    const keys = jwks.keys.map(imported)
    for (const { key, name } of keys) {
      if (key === null)
        yield* Effect.logWarning("a key of the API is malformed and verifies nothing").pipe(
          Effect.annotateLogs({ kid: name })
        )
    }
    const remembered = new Map<string, Claims>()
    const remember = (token: string, claims: Claims) => {
      const oldest = remembered.size >= REMEMBERED ? remembered.keys().next().value : undefined
      if (oldest !== undefined) remembered.delete(oldest)
      remembered.set(digest(token), claims)
    }

    const verify = (token: string) =>
      Effect.gen(function* () {
        const jws = parseToken(token)
        for (const { key, name } of keys) {
          const valid =
            key?.asymmetricKeyType === keyType &&
            jws?.algorithm === algorithm &&
            verifySignature(algorithm === "RS256" ? "RSA-SHA256" : null, Buffer.from(jws.signed), key, jws.signature)
          if (valid && jws !== null) {
            remember(token, jws.claims)
            return jws.claims
          }
          yield* Effect.logWarning("an authorization token was not signed with this key").pipe(
            Effect.annotateLogs({ kid: name })
          )
        }
        return yield* new Unauthorized(notVerified)
      })

    return {
      known: (header) => {
        const token = bearer(header)
        return token === null ? undefined : remembered.get(digest(token))
      },
      verify: (header) => {
        const token = bearer(header)
        return token === null ? new Unauthorized(noToken) : verify(token)
      }
    }
  })

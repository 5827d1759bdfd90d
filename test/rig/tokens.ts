/**
 * Keys and tokens: one pair for the compute's own HTTP API, another for storage.
 */
import * as Tokens from "../../src/emulator/peers/Tokens.ts"

export type KeyPair = Tokens.KeyPair
export const makeKeys = (kid = "rig"): KeyPair => Tokens.generate(kid)

/** One pair for the whole process: making one takes time. */
export const keys: KeyPair = makeKeys()

/** What a request carries when a case says nothing about its token. */
export const adminClaims = { scope: "compute_ctl:admin", aud: ["compute"] }

export const sign = (claims: object, pair: KeyPair = keys): string => Tokens.issue(pair.privateKey, claims)

export const adminToken = (pair: KeyPair = keys): string => sign(adminClaims, pair)

export const jwks = (...pairs: ReadonlyArray<KeyPair>) => ({
  keys: (pairs.length === 0 ? [keys] : pairs).map((pair) => pair.jwk)
})

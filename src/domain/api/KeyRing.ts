/**
 * The keys that verify tokens: those the process was started with, always, and those that the control plane has brought
 * since. A brought key that the newest set does not have counts until the next set comes, for tokens that are on their way.
 */

import { excerpt } from "../json/Excerpt.ts"
import type { Jwk, JwkSet } from "../spec/ComputeConfig.ts"

interface KeySet {
  readonly jwks: JwkSet
  /** When each of its keys came, by what makes it the same key. Epoch milliseconds. */
  readonly since: ReadonlyMap<string, number>
}

export interface KeyRing {
  readonly started: KeySet
  readonly newest: KeySet | null
  readonly previous: KeySet | null
}

export type Standing = "always" | "newest" | "until the next set"

export interface HeldKey {
  /** Its `kid`, or its place in the set. */
  readonly kid: string
  readonly since: number
  readonly counts: Standing
}

export const keyName = ({ kid }: Jwk, index: number): string => (typeof kid === "string" ? excerpt(kid) : `#${index}`)

/** The same for the same key, whatever stands beside it. Holds the key: not to be shown. */
const identity = (jwk: Jwk): string => {
  switch (jwk.kty) {
    case "EC":
      return JSON.stringify([jwk.kty, jwk.crv, jwk.x, jwk.y])
    case "OKP":
      return JSON.stringify([jwk.kty, jwk.crv, jwk.x])
    case "RSA":
      return JSON.stringify([jwk.kty, jwk.n, jwk.e])
    default:
      return JSON.stringify([jwk.kty, jwk.k])
  }
}

/** A set's own rule for the algorithm hangs on `alg`, and what is shown on `kid`. */
const entry = (jwk: Jwk): string => JSON.stringify([identity(jwk), jwk.kid, jwk.alg])

const keySet = (jwks: JwkSet, now: number, known: ReadonlyArray<KeySet | null> = []): KeySet => ({
  jwks,
  since: new Map(
    jwks.keys.map((jwk) => {
      const id = identity(jwk)
      return [id, known.map((set) => set?.since.get(id)).find((since) => since !== undefined) ?? now]
    })
  )
})

export const started = (jwks: JwkSet, now: number): KeyRing => ({
  started: keySet(jwks, now),
  newest: null,
  previous: null
})

const same = (one: JwkSet, other: JwkSet): boolean => {
  const ones = new Set(one.keys.map(entry))
  const others = new Set(other.keys.map(entry))
  return ones.size === others.size && Array.from(ones).every((key) => others.has(key))
}

/** With a set that was brought; null when it changes nothing. Many clients bring an empty one, which means none. */
export const brought = (ring: KeyRing, jwks: JwkSet, now: number): KeyRing | null => {
  const { newest, previous, started } = ring
  if (jwks.keys.length === 0 || same(jwks, (newest ?? started).jwks)) return null
  return { started, newest: keySet(jwks, now, [newest, previous, started]), previous: newest }
}

/** In the order in which they are tried. */
export const setsOf = ({ newest, previous, started }: KeyRing): ReadonlyArray<JwkSet> =>
  [started, newest, previous].flatMap((set) => (set === null ? [] : [set.jwks]))

/** Each key once, with the best of its standings. */
export const heldKeys = ({ newest, previous, started }: KeyRing): ReadonlyArray<HeldKey> => {
  const seen = new Set<string>()
  const of = (set: KeySet | null, counts: Standing): ReadonlyArray<HeldKey> =>
    (set?.jwks.keys ?? []).flatMap((jwk, index): ReadonlyArray<HeldKey> => {
      const id = identity(jwk)
      if (seen.has(id)) return []
      seen.add(id)
      return [{ kid: keyName(jwk, index), since: set?.since.get(id) ?? 0, counts }]
    })
  return [...of(started, "always"), ...of(newest, "newest"), ...of(previous, "until the next set")]
}

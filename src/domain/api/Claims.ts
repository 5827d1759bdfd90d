/**
 * Tokens of the external API: their parts, and what their claims allow. Signatures are not checked here.
 *
 * Source: `compute_tools/src/http/middleware/authorize.rs`, `libs/compute_api/src/requests.rs` (`ComputeClaims`); JSON Web
 * Tokens by RFC 7519, except that `aud` must be an array.
 */

import * as Base64Url from "effect/encoding/Base64Url"
import * as Result from "effect/Result"
import { read, trailing } from "../json/Json.ts"
import { isObject, JsonFloat, type JsonObject, type JsonValue } from "../json/JsonValue.ts"
import type { JwkSet } from "../spec/ComputeConfig.ts"

/** The one algorithm a set of keys stands for. */
export type Algorithm = "RS256" | "EdDSA"

/** Decided once for the whole set: RS256 if any key names it. */
export const algorithmOf = ({ keys }: JwkSet): Algorithm =>
  keys.some((key) => key.alg === "RS256") ? "RS256" : "EdDSA"

export interface Claims {
  readonly computeId: string | null
  readonly scope: "compute_ctl:admin" | null
  readonly audience: ReadonlyArray<string> | null
  /** Epoch seconds; null when the token does not expire. */
  readonly expires: number | null
}

export interface Jws {
  readonly algorithm: string
  /** Of the key that the token says it was signed with. */
  readonly keyId: string | null
  readonly claims: Claims
  /** What was signed: the first two parts and the point between them, all ASCII. */
  readonly signed: string
  readonly signature: Uint8Array
}

/** How long after its expiry a token is still taken, in seconds. */
const LEEWAY = 60

/** Characters of a token. A header may be four times as long. */
export const MAX_TOKEN = 16 * 1024

const ADMIN = "compute_ctl:admin"
const AUDIENCE = "compute"

/** The token of an `Authorization` header of scheme Bearer; null without one. */
export const bearer = (header: string | undefined): string | null => {
  const found = /^bearer +([\x21-\x7e][\x20-\x7e]*)$/i.exec(header ?? "")
  return found?.[1] ?? null
}

/** URL-safe base64 in its one canonical form: no padding, unused bits zero. */
export const base64Url = (text: string): Uint8Array | null => {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) return null
  const bytes = Base64Url.decode(text)
  return Result.isSuccess(bytes) && Base64Url.encode(bytes.success) === text ? bytes.success : null
}

const CLAIMS: ReadonlySet<string> = new Set(["compute_id", "scope", "aud"])
/** Texts when they are there at all. */
const HEADER: ReadonlySet<string> = new Set(["typ", "alg", "cty", "jku", "kid", "x5u", "x5t", "x5t#S256"])

/** The JSON object of a part; a known member must not come twice. */
const part = (text: string, known: ReadonlySet<string>): JsonObject | null => {
  const bytes = base64Url(text)
  if (bytes === null) return null
  let json: string
  try {
    json = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    return null
  }
  const { value, fault, duplicates, end } = read(json)
  if (fault !== null || trailing(json, end) !== null || !isObject(value)) return null
  return duplicates.some(({ object, key }) => object === value && known.has(key)) ? null : value
}

const isText = (value: JsonValue | undefined): value is string => typeof value === "string"

/** Absent and null are the same; `undefined` stands for a value of the wrong kind. */
const optional = <A>(value: JsonValue | undefined, of: (value: JsonValue) => A | undefined): A | null | undefined =>
  value === undefined || value === null ? null : of(value)

const texts = (value: JsonValue): ReadonlyArray<string> | undefined =>
  Array.isArray(value) && value.every(isText) ? value : undefined

/** Only a number from 0 on is an expiry; fractions are rounded. Anything else counts as none. */
const expiry = (value: JsonValue | undefined): number | null => {
  const number = value instanceof JsonFloat ? value.value : value
  if (typeof number !== "number" && typeof number !== "bigint") return null
  return number >= 0 && number < 2 ** 64 ? Math.round(Number(number)) : null
}

const readClaims = (claims: JsonObject): Claims | null => {
  const computeId = optional(claims["compute_id"], (value) => (isText(value) ? value : undefined))
  const scope = optional(claims["scope"], (value) => (value === ADMIN ? ADMIN : undefined))
  const audience = optional(claims["aud"], texts)
  return computeId === undefined || scope === undefined || audience === undefined
    ? null
    : { computeId, scope, audience, expires: expiry(claims["exp"]) }
}

/** Takes a token apart; null when any part of it is not what it must be. */
export const parseToken = (token: string): Jws | null => {
  const [head, body, seal, ...more] = token.split(".")
  if (head === undefined || body === undefined || seal === undefined || more.length > 0) return null
  const header = part(head, HEADER)
  const payload = part(body, CLAIMS)
  const signature = base64Url(seal)
  if (header === null || payload === null || signature === null) return null
  const algorithm = header["alg"]
  if (
    [...HEADER].some((name) => optional(header[name], (value) => (isText(value) ? value : undefined)) === undefined)
  ) {
    return null
  }
  const keyId = header["kid"]
  const claims = readClaims(payload)
  return isText(algorithm) && claims !== null
    ? { algorithm, keyId: isText(keyId) ? keyId : null, claims, signed: `${head}.${body}`, signature }
    : null
}

/** Whether it is the control plane's own: it opens every compute, and may change whose tokens do. */
export const isAdmin = ({ scope }: Claims): boolean => scope === ADMIN

/** `now`: epoch seconds. */
export const isExpired = ({ expires }: Claims, now: number): boolean => expires !== null && expires < now - LEEWAY

export interface Denied {
  readonly status: 400 | 401 | 403
  readonly text: string
}

export const noToken: Denied = { status: 400, text: "invalid authorization token" }
export const notVerified: Denied = { status: 401, text: "failed to verify authorization token" }

const because = (status: 401 | 403, what: string): Denied => ({ status, text: `${what} in authorization token claims` })

export const notAdmin: Denied = because(403, `missing scope ${ADMIN}`)

/** Whether the claims of a verified token open the compute of that id; null when they do. */
export const denial = ({ audience, computeId, scope }: Claims, ownId: string): Denied | null => {
  if (scope === ADMIN) {
    if (audience === null) return because(401, "missing audience")
    return audience.includes(AUDIENCE) ? null : because(401, "invalid audience")
  }
  if (computeId === null) return because(403, "missing compute_id")
  return computeId === ownId ? null : because(403, "invalid compute ID")
}

/**
 * JSON Web Tokens as Neon's storage uses them: EdDSA over Ed25519, checked against a few public keys.
 *
 * Source: `libs/utils/src/auth.rs`, RFC 7519, RFC 8037.
 */
import { createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from "node:crypto"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const Claims = Schema.Struct({
  scope: Schema.optional(Schema.NullOr(Schema.String)),
  tenant_id: Schema.optional(Schema.NullOr(Schema.String)),
  timeline_id: Schema.optional(Schema.NullOr(Schema.String)),
  endpoint_id: Schema.optional(Schema.NullOr(Schema.String)),
  compute_id: Schema.optional(Schema.NullOr(Schema.String)),
  aud: Schema.optional(Schema.NullOr(Schema.Array(Schema.String))),
  exp: Schema.optional(Schema.NullOr(Schema.Number))
})
export type Claims = typeof Claims.Type
const decodeClaims = Schema.decodeResult(Schema.fromJsonString(Claims))
const decodeHeader = Schema.decodeResult(Schema.fromJsonString(Schema.Struct({ alg: Schema.String })))

export interface KeyPair {
  readonly privateKey: KeyObject
  readonly publicKey: KeyObject
  /** The public half as a JSON Web Key, as `compute_ctl_config.jwks.keys` wants it. */
  readonly jwk: Readonly<Record<string, string | ReadonlyArray<string>>>
}

/** A new Ed25519 pair. */
export const generate = (kid = "emulator"): KeyPair => {
  const { privateKey, publicKey } = generateKeyPairSync("ed25519")
  const { x = "" } = publicKey.export({ format: "jwk" })
  return {
    privateKey,
    publicKey,
    jwk: { use: "sig", key_ops: ["verify"], alg: "EdDSA", kid, kty: "OKP", crv: "Ed25519", x }
  }
}

/** The public key of a JWK's `x`. */
export const publicKey = (x: string): KeyObject =>
  createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x }, format: "jwk" })

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url")

/** A signed token with these claims, whatever they are. */
export const issue = (key: KeyObject, claims: object): string => {
  const text = `${part({ typ: "JWT", alg: "EdDSA" })}.${part(claims)}`
  return `${text}.${sign(null, Buffer.from(text), key).toString("base64url")}`
}

/** The claims of a token that one of the keys has signed and that has not expired; else why not. `now`: epoch ms. */
export const check = (keys: ReadonlyArray<KeyObject>, token: string, now: number): Result.Result<Claims, string> => {
  const [header = "", body = "", signature = "", ...rest] = token.split(".")
  if (signature === "" || rest.length > 0) return Result.fail("InvalidToken")
  const text = (encoded: string) => Buffer.from(encoded, "base64url").toString()
  const algorithm = decodeHeader(text(header))
  if (Result.isFailure(algorithm)) return Result.fail("InvalidToken")
  if (algorithm.success.alg !== "EdDSA") return Result.fail("InvalidAlgorithm")
  const signed = Buffer.from(`${header}.${body}`)
  const proof = Buffer.from(signature, "base64url")
  if (!keys.some((key) => verify(null, signed, key, proof))) return Result.fail("InvalidSignature")
  const claims = decodeClaims(text(body))
  if (Result.isFailure(claims)) return Result.fail("Json")
  const { exp } = claims.success
  return typeof exp === "number" && exp * 1000 < now - 60_000
    ? Result.fail("ExpiredSignature")
    : Result.succeed(claims.success)
}

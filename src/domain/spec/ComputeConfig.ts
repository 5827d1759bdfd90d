/**
 * The documents a spec arrives in: `config.json`, the control plane's answer, the bodies of `/configure` and `/promote`.
 *
 * Source: `libs/compute_api/src/{responses,requests}.rs`; JSON Web Keys by RFC 7517.
 */

import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { optional } from "../json/decode/Shapes.ts"
import { excerpt } from "../json/Excerpt.ts"
import { child, type JsonValue, kindOf } from "../json/JsonValue.ts"
import { ComputeSpec, TlsConfig } from "./ComputeSpec.ts"
import { Lsn } from "./Lsn.ts"

const JwkAlgorithm = Schema.Literals([
  ...(["HS256", "HS384", "HS512", "ES256", "ES384", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] as const),
  ...(["EdDSA", "RSA1_5", "RSA-OAEP", "RSA-OAEP-256"] as const)
])
const Curve = Schema.Literals(["P-256", "P-384", "P-521", "Ed25519"])

const common = {
  use: optional(Schema.String),
  key_ops: optional(Schema.Array(Schema.String)),
  alg: optional(JwkAlgorithm),
  kid: optional(Schema.String)
}

/** Key material is text here: a malformed key must not keep a compute from starting, it only verifies nothing. */
export const Jwk = Schema.Union([
  Schema.Struct({ ...common, kty: Schema.Literal("EC"), crv: Curve, x: Schema.String, y: Schema.String }),
  Schema.Struct({ ...common, kty: Schema.Literal("RSA"), n: Schema.String, e: Schema.String }),
  Schema.Struct({ ...common, kty: Schema.Literal("oct"), k: Schema.String }),
  Schema.Struct({ ...common, kty: Schema.Literal("OKP"), crv: Curve, x: Schema.String })
])
export type Jwk = typeof Jwk.Type

/** Why a key is of no use here; null when it is of use. Names the key by its place and id, and shows none of its material. */
const unusable = (key: unknown, index: number): string | null => {
  const decoded = Schema.decodeUnknownResult(Jwk)(key)
  if (Result.isSuccess(decoded)) return null
  const text = (name: string): string => {
    const value = child(key as JsonValue, name)
    return typeof value === "string" ? JSON.stringify(excerpt(value, 32)) : kindOf(value)
  }
  return `key ${index} (kid ${text("kid")}): kty ${text("kty")}, crv ${text("crv")}, alg ${text("alg")} are not a key this version can use`
}

/** Of one set, those at its beginning. */
const MAX_KEYS = 100

/** A key of a kind we do not know is left out and named: a new key must not keep an old compute from starting. */
export const JwkSet = Schema.Struct({ keys: Schema.Array(Schema.ObjectKeyword) }).pipe(
  Schema.decodeTo(
    Schema.Struct({
      keys: Schema.Array(Schema.toType(Jwk)),
      /** One text for each key that was left out, for the log. */
      unusable: Schema.optionalKey(Schema.Array(Schema.String))
    }),
    SchemaTransformation.transform({
      decode: ({ keys: given }): { readonly keys: ReadonlyArray<Jwk>; readonly unusable?: ReadonlyArray<string> } => {
        const keys = given.slice(0, MAX_KEYS)
        const reasons = keys.map(unusable)
        const left = reasons.filter((reason) => reason !== null)
        if (given.length > MAX_KEYS) left.push(`${given.length - MAX_KEYS} keys are left out: a set has ${MAX_KEYS}`)
        const usable = keys
          .filter((_, index) => reasons[index] === null)
          .map((key) => Schema.decodeUnknownSync(Jwk)(key))
        return { keys: usable, ...(left.length > 0 && { unusable: left }) }
      },
      encode: ({ keys }) => ({ keys: keys.map((key): object => Schema.encodeSync(Jwk)(key)) })
    })
  )
)
export type JwkSet = typeof JwkSet.Type

/** What concerns the process and not the tenant; but for the keys, fixed when the process starts. */
export const ComputeCtlConfig = Schema.Struct({ jwks: JwkSet, tls: optional(TlsConfig) })
export type ComputeCtlConfig = typeof ComputeCtlConfig.Type

/** `config.json`. Without a spec the compute starts empty and waits for `/configure`. */
export const ComputeConfig = Schema.Struct({ spec: optional(ComputeSpec), compute_ctl_config: ComputeCtlConfig })
export type ComputeConfig = typeof ComputeConfig.Type

export const ControlPlaneConfigResponse = Schema.Struct({
  ...ComputeConfig.fields,
  status: Schema.Literals(["empty", "attached"])
})

/** Body of `POST /configure`; of its `compute_ctl_config`, which must be well-formed, the keys are used. */
export const ConfigurationRequest = Schema.Struct({ spec: ComputeSpec, compute_ctl_config: ComputeCtlConfig })

/** Body of `POST /promote`. */
export const PromoteConfig = Schema.Struct({ spec: ComputeSpec, wal_flush_lsn: Lsn })
export type PromoteConfig = typeof PromoteConfig.Type

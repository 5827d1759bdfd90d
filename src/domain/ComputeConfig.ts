/**
 * The documents a spec arrives in: `config.json`, the control plane's answer, the bodies of `/configure` and `/promote`.
 *
 * Source: `libs/compute_api/src/{responses,requests}.rs`; JSON Web Keys by RFC 7517.
 */
import * as Schema from "effect/Schema"
import { ComputeSpec, TlsConfig } from "./ComputeSpec.ts"
import { Lsn } from "./Lsn.ts"
import { optional } from "./Shapes.ts"

const JwkAlgorithm = Schema.Literal(
  ...["HS256", "HS384", "HS512", "ES256", "ES384", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
  ...["EdDSA", "RSA1_5", "RSA-OAEP", "RSA-OAEP-256"]
)
const Curve = Schema.Literal("P-256", "P-384", "P-521", "Ed25519")

const common = {
  use: optional(Schema.String),
  key_ops: optional(Schema.Array(Schema.String)),
  alg: optional(JwkAlgorithm),
  kid: optional(Schema.String)
}

/** Key material is text here: a malformed key must not keep a compute from starting, it only verifies nothing. */
export const Jwk = Schema.Union(
  Schema.Struct({ ...common, kty: Schema.Literal("EC"), crv: Curve, x: Schema.String, y: Schema.String }),
  Schema.Struct({ ...common, kty: Schema.Literal("RSA"), n: Schema.String, e: Schema.String }),
  Schema.Struct({ ...common, kty: Schema.Literal("oct"), k: Schema.String }),
  Schema.Struct({ ...common, kty: Schema.Literal("OKP"), crv: Curve, x: Schema.String })
)
export type Jwk = typeof Jwk.Type

export const JwkSet = Schema.Struct({ keys: Schema.Array(Jwk) })
export type JwkSet = typeof JwkSet.Type

/** What concerns the process and not the tenant; fixed when the process starts. */
export const ComputeCtlConfig = Schema.Struct({ jwks: JwkSet, tls: optional(TlsConfig) })
export type ComputeCtlConfig = typeof ComputeCtlConfig.Type

/** `config.json`. Without a spec the compute starts empty and waits for `/configure`. */
export const ComputeConfig = Schema.Struct({ spec: optional(ComputeSpec), compute_ctl_config: ComputeCtlConfig })
export type ComputeConfig = typeof ComputeConfig.Type

export const ControlPlaneConfigResponse = Schema.Struct({
  ...ComputeConfig.fields,
  status: Schema.Literal("empty", "attached")
})

/** Body of `POST /configure`; its `compute_ctl_config` must be well-formed and is then discarded. */
export const ConfigurationRequest = Schema.Struct({ spec: ComputeSpec, compute_ctl_config: ComputeCtlConfig })

/** Body of `POST /promote`. */
export const PromoteConfig = Schema.Struct({ spec: ComputeSpec, wal_flush_lsn: Lsn })
export type PromoteConfig = typeof PromoteConfig.Type

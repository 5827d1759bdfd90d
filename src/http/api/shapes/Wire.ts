/**
 * The documents with a spec in them as they stand on the wire, for clients and for the OpenAPI document.
 */
import * as Schema from "effect/Schema"
import { ComputeSpec, TlsConfig } from "../../../domain/spec/ComputeSpec.ts"
import { Lsn } from "../../../domain/spec/Lsn.ts"

const spec = Schema.toEncoded(ComputeSpec).annotate({ identifier: "ComputeSpec" })

const maybe = Schema.optionalKey(Schema.NullOr(Schema.String))

/** Of the members of RFC 7517 those that are read. A key of a kind that is not known is left out, and the log says so. */
const JsonWebKey = Schema.Struct({
  kty: Schema.String,
  ...{ use: maybe, alg: maybe, kid: maybe, crv: maybe, x: maybe, y: maybe, n: maybe, e: maybe, k: maybe },
  key_ops: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.String)))
}).annotate({ identifier: "JsonWebKey" })

const ctlConfig = Schema.Struct({
  jwks: Schema.Struct({ keys: Schema.Array(JsonWebKey) }).annotate({ identifier: "JsonWebKeySet" }),
  tls: Schema.optionalKey(Schema.NullOr(Schema.toEncoded(TlsConfig)))
}).annotate({ identifier: "ComputeCtlConfig" })

export const Configuration = Schema.Struct({
  spec,
  compute_ctl_config: ctlConfig
}).annotate({ identifier: "Configuration" })

export const Promotion = Schema.Struct({ spec, wal_flush_lsn: Schema.toEncoded(Lsn) }).annotate({
  identifier: "Promotion"
})

export const Planning = Schema.Struct({ spec }).annotate({ identifier: "Planning" })

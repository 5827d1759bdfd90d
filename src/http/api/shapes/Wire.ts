/**
 * The documents with a spec in them as they stand on the wire, for clients and for the OpenAPI document.
 */
import * as Schema from "effect/Schema"
import { ComputeCtlConfig } from "../../../domain/spec/ComputeConfig.ts"
import { ComputeSpec } from "../../../domain/spec/ComputeSpec.ts"
import { Lsn } from "../../../domain/spec/Lsn.ts"

const spec = Schema.toEncoded(ComputeSpec).annotate({ identifier: "ComputeSpec" })

export const Configuration = Schema.Struct({
  spec,
  compute_ctl_config: Schema.toEncoded(ComputeCtlConfig).annotate({ identifier: "ComputeCtlConfig" })
}).annotate({ identifier: "Configuration" })

export const Promotion = Schema.Struct({ spec, wal_flush_lsn: Schema.toEncoded(Lsn) }).annotate({
  identifier: "Promotion"
})

export const Planning = Schema.Struct({ spec }).annotate({ identifier: "Planning" })

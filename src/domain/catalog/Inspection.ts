/**
 * What a look into one database tells.
 */
import * as Schema from "effect/Schema"
import { decodeSteps } from "../json/decode/Decode.ts"

export const Inspection = Schema.Struct({
  oid: Schema.Number,
  /** Owner of schema `public`; null when there is no such schema. */
  publicOwner: Schema.NullOr(Schema.String),
  /** Whether that is a superuser. */
  publicOfSuperuser: Schema.Boolean,
  /** Whether `web_access` may create in `public`; null when there is no such role. */
  webAccess: Schema.NullOr(Schema.Boolean),
  /** Whether what we create in `public` is granted to the privileged role with grant option. */
  tablesGranted: Schema.Boolean,
  sequencesGranted: Schema.Boolean
})
export type Inspection = typeof Inspection.Type

export const inspectionSteps = (json: string) => decodeSteps(Inspection, json, { trailing: "refuse" })

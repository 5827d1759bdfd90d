/**
 * What is inside Postgres: databases, roles, schemas, statements, and what was done to them.
 */

import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import { PlanReport } from "../../domain/catalog/plan/PlanReport.ts"
import { ApplyReport } from "../../domain/catalog/Report.ts"
import { CatalogObjects } from "../../domain/catalog/Requests.ts"
import { FactsReport } from "../../domain/postgres/Facts.ts"
import { RefusedSetting } from "../../domain/postgres/RefusedSetting.ts"
import { ComputeSpec } from "../../domain/spec/ComputeSpec.ts"
import { Authorized, Inputs } from "./middleware.ts"
import { BadRequest, Failed, NotFound, ofExplainedBody, WrongStatus } from "./shapes/Refusal.ts"
import { Planning } from "./shapes/Wire.ts"
import { Limit, OnDisconnect, SPEC_LIMIT } from "./traits.ts"

const nullable = Schema.NullOr

const ReconfigurationReport = Schema.Struct({
  operation: nullable(Schema.String),
  duration_ms: Schema.Finite,
  reload_confirmed: Schema.Boolean,
  pending_restart: Schema.Array(Schema.String),
  refused_settings: Schema.Array(RefusedSetting),
  error: nullable(Schema.String)
}).annotate({ identifier: "Reconfiguration" })

/** Members of the apply are there only when there was one. */
export const Apply = Schema.Struct({
  /** Of this form: members are added, never changed. Computes of an older build do not send it. */
  version: Schema.optionalKey(Schema.Literal(1)),
  ...ApplyReport.mapFields(Struct.map(Schema.optionalKey)).fields,
  reconfiguration: nullable(ReconfigurationReport)
}).annotate({ identifier: "Apply" })

const Plan = PlanReport.annotate({ identifier: "Plan" })

const dbsAndRoles = HttpApiEndpoint.get("dbs_and_roles", "/dbs_and_roles", {
  success: CatalogObjects,
  error: Failed
}).annotate(OpenApi.Summary, "Databases and roles")

const databaseSchema = HttpApiEndpoint.get("database_schema", "/database_schema", {
  query: { database: Schema.String },
  // It is SQL, and clients have come to expect it under this name.
  success: HttpApiSchema.StreamUint8Array({ contentType: "application/json" }),
  error: [NotFound, Failed]
})
  .middleware(Inputs)
  .annotate(OpenApi.Summary, "The schema of a database, as SQL, while it is being dumped")

const insights = HttpApiEndpoint.get("insights", "/insights", {
  success: Schema.String,
  error: [WrongStatus, Failed]
}).annotate(OpenApi.Summary, "The most expensive statements: a JSON string that holds JSON")

const checkWritability = HttpApiEndpoint.post("check_writability", "/check_writability", {
  success: Schema.Literal(true),
  error: [WrongStatus, Failed]
})
  // A write that waits is of no use to anybody when the one who asked is gone.
  .annotate(OnDisconnect, "cancel")
  .annotate(OpenApi.Summary, "Whether a write reaches the safekeepers")

const postgres = HttpApiEndpoint.get("postgres", "/postgres", {
  success: FactsReport,
  error: [WrongStatus, Failed]
}).annotate(
  OpenApi.Summary,
  "What Postgres says of itself: its version and LSN, the settings in force, replication slots, and who follows it"
)

const lastApply = HttpApiEndpoint.get("last_apply", "/apply", { success: nullable(Apply) }).annotate(
  OpenApi.Summary,
  "The apply that runs, or the last one, object by object, and the last reconfiguration with the settings that Postgres refused or that wait for a restart; null before the first"
)

const plan = HttpApiEndpoint.get("plan", "/plan", {
  success: Plan,
  error: [BadRequest, WrongStatus, Failed]
}).annotate(OpenApi.Summary, "What applying the current spec would change; changes nothing")

export const PlanRequest = Schema.Struct({ spec: ComputeSpec })

const planFor = HttpApiEndpoint.post("plan_for", "/plan", {
  payload: Planning,
  success: Plan,
  error: [...ofExplainedBody, WrongStatus, Failed]
})
  .annotate(Limit, SPEC_LIMIT)
  .annotate(OnDisconnect, "cancel")
  .annotate(OpenApi.Summary, "What applying this spec would change, settings included; changes nothing")

export class CatalogApi extends HttpApiGroup.make("catalog", { topLevel: true })
  .add(dbsAndRoles, databaseSchema, insights, postgres, checkWritability, lastApply, plan, planFor)
  .middleware(Authorized)
  .annotate(OpenApi.Description, "Roles, databases and what is in them, port 3080") {}

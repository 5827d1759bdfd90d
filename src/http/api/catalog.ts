/**
 * What is inside Postgres: databases, roles, schemas, grants, extensions, statements.
 */
import * as Schema from "effect/Schema"
import { ComputeSpec } from "../../domain/spec/ComputeSpec.ts"
import { endpoint, SPEC_LIMIT } from "./Endpoint.ts"
import * as Query from "./Query.ts"

export const dbsAndRoles = endpoint("dbs_and_roles", {
  method: "GET",
  path: "/dbs_and_roles",
  summary: "Databases and roles",
  failures: [500]
})

export const databaseSchema = endpoint("database_schema", {
  method: "GET",
  path: "/database_schema",
  summary: "The schema of a database, as SQL, while it is being dumped",
  query: Query.query({ database: Query.text }),
  failures: [404, 500]
})

export const insights = endpoint("insights", {
  method: "GET",
  path: "/insights",
  summary: "The most expensive statements: a JSON string that holds JSON",
  failures: [412, 500]
})

export const checkWritability = endpoint("check_writability", {
  method: "POST",
  path: "/check_writability",
  summary: "Whether a write reaches the safekeepers",
  // A write that waits is of no use to anybody when the one who asked is gone.
  onDisconnect: "cancel",
  failures: [412, 500]
})

export const ExtensionInstallRequest = Schema.Struct({
  extension: Schema.String,
  database: Schema.String,
  version: Schema.String
})
export type ExtensionInstallRequest = typeof ExtensionInstallRequest.Type

export const installExtension = endpoint("install_extension", {
  server: "internal",
  method: "POST",
  path: "/extensions",
  summary: "Brings an extension of a database to a version",
  body: ExtensionInstallRequest,
  success: { 201: "application/json" },
  failures: [412, 500]
})

export const Privilege = Schema.Literals([
  "SELECT",
  "INSERT",
  "UPDATE",
  "DELETE",
  "TRUNCATE",
  "REFERENCES",
  "TRIGGER",
  "USAGE",
  "CREATE",
  "CONNECT",
  "TEMPORARY",
  "EXECUTE"
])
export type Privilege = typeof Privilege.Type

export const SetRoleGrantsRequest = Schema.Struct({
  database: Schema.String,
  schema: Schema.String,
  privileges: Schema.Array(Privilege),
  role: Schema.String
})
export type SetRoleGrantsRequest = typeof SetRoleGrantsRequest.Type

export const setRoleGrants = endpoint("set_role_grants", {
  server: "internal",
  method: "POST",
  path: "/grants",
  summary: "Grants a role the privileges on a schema that it lacks",
  body: SetRoleGrantsRequest,
  success: { 201: "application/json" },
  failures: [412, 500]
})

export const lastApply = endpoint("last_apply", {
  method: "GET",
  path: "/apply",
  summary:
    "The apply that runs, or the last one, object by object, and the last reconfiguration with the settings that Postgres refused or that wait for a restart; null before the first",
  failures: []
})

export const plan = endpoint("plan", {
  method: "GET",
  path: "/plan",
  summary: "What applying the current spec would change; changes nothing",
  failures: [400, 412, 500]
})

export const PlanRequest = Schema.Struct({ spec: ComputeSpec })

export const planFor = endpoint("plan_for", {
  method: "POST",
  path: "/plan",
  summary: "What applying this spec would change; changes nothing",
  body: PlanRequest,
  limit: SPEC_LIMIT,
  onDisconnect: "cancel",
  failures: [400, 412, 500]
})

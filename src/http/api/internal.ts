/**
 * For the processes of the compute: extensions and grants for Postgres itself, a new spec, failpoints.
 */

import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import * as Schema from "effect/Schema"
import { ExtensionRequest, SchemaGrant } from "../../domain/catalog/Requests.ts"
import { FailpointConfig } from "../../domain/observe/Failpoints.ts"
import { Inputs } from "./middleware.ts"
import { Conflict, Failed, NotFound, ofBody, WrongStatus } from "./shapes/Refusal.ts"

export const FailpointsRequest = Schema.Array(FailpointConfig)

const created = HttpApiSchema.status(201)

const installExtension = HttpApiEndpoint.post("install_extension", "/extensions", {
  payload: ExtensionRequest,
  success: Schema.Struct({ extension: Schema.String, version: Schema.String }).pipe(created),
  error: [...ofBody, WrongStatus, Failed]
}).annotate(OpenApi.Summary, "Brings an extension of a database to a version")

const setRoleGrants = HttpApiEndpoint.post("set_role_grants", "/grants", {
  payload: SchemaGrant,
  success: SchemaGrant.pipe(created),
  error: [...ofBody, WrongStatus, Failed]
}).annotate(OpenApi.Summary, "Grants a role the privileges on a schema that it lacks")

/** The name is all the rest of the path, slashes included. */
const extensionServer = HttpApiEndpoint.post("extension_server", "/extension_server/:filename", {
  params: { filename: Schema.String },
  query: { is_library: Schema.optionalKey(Schema.Boolean) },
  success: HttpApiSchema.Empty(200),
  error: [NotFound, Conflict, WrongStatus, Failed]
})
  .middleware(Inputs)
  .annotate(OpenApi.Summary, "Downloads the archive that has an extension or a library")

const refreshConfiguration = HttpApiEndpoint.post("refresh_configuration", "/refresh_configuration", {
  success: HttpApiSchema.Empty(200),
  error: Failed
}).annotate(OpenApi.Summary, "Asks the compute to look for a new spec")

const failpoints = HttpApiEndpoint.post("failpoints", "/failpoints", {
  payload: FailpointsRequest,
  success: HttpApiSchema.Empty(200),
  error: [...ofBody, HttpApiSchema.Empty(404)]
}).annotate(OpenApi.Summary, "For tests of the program alone: where it is to fail or wait; 404 elsewhere")

export class InternalGroup extends HttpApiGroup.make("internal", { topLevel: true })
  .add(installExtension, setRoleGrants, extensionServer, refreshConfiguration, failpoints)
  .annotate(OpenApi.Description, "For processes of the compute, port 3081, loopback only") {}

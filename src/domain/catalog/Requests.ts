/**
 * What is asked of a running Postgres beside an apply: its roles and databases, an extension, grants.
 *
 * Source: `libs/compute_api/src/{requests,responses,privilege}.rs`.
 */
import * as Schema from "effect/Schema"

const text = Schema.NullOr(Schema.String)

/** Every role and database, in the form of `/dbs_and_roles`. */
export const CatalogObjects = Schema.Struct({
  roles: Schema.Array(
    Schema.Struct({ name: Schema.String, encrypted_password: text, options: Schema.Null }).annotate({
      identifier: "ListedRole"
    })
  ),
  databases: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      owner: Schema.String,
      options: Schema.Null,
      restrict_conn: Schema.Boolean,
      invalid: Schema.Boolean
    }).annotate({ identifier: "ListedDatabase" })
  )
}).annotate({ identifier: "Objects" })
export type CatalogObjects = typeof CatalogObjects.Type

export const ExtensionRequest = Schema.Struct({
  extension: Schema.String,
  database: Schema.String,
  version: Schema.String
}).annotate({ identifier: "ExtensionInstallation" })
export type ExtensionRequest = typeof ExtensionRequest.Type

/** What a schema's grant may name; the server refuses the ones that schemas do not have. */
const Privilege = Schema.Literals([
  ...(["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER"] as const),
  ...(["USAGE", "CREATE", "CONNECT", "TEMPORARY", "EXECUTE"] as const)
])

export const SchemaGrant = Schema.Struct({
  database: Schema.String,
  schema: Schema.String,
  privileges: Schema.Array(Privilege),
  role: Schema.String
}).annotate({ identifier: "RoleGrants" })
export type SchemaGrant = typeof SchemaGrant.Type

export interface InstalledExtension {
  readonly extname: string
  readonly version: string
  readonly n_databases: number
  /** "1" when the bootstrap superuser owns it. */
  readonly owned_by_superuser: "0" | "1"
}

/**
 * Remote extensions, for Postgres itself.
 */
import { endpoint } from "./Endpoint.ts"
import * as Query from "./Query.ts"

export const extensionServer = endpoint("extension_server", {
  server: "internal",
  method: "POST",
  path: "/extension_server/{*filename}",
  summary: "Downloads the archive that has an extension or a library",
  query: Query.query({ is_library: Query.withDefault(Query.bool, false) }),
  success: { 200: "" },
  failures: [404, 409, 412, 500]
})

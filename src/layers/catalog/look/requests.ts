/**
 * Questions and small changes that come by HTTP: one short session each, that ends with the question.
 *
 * Source: `compute_tools/src/{catalog,checker}.rs`, `compute_tools/src/compute.rs` (`collect_insights`, `install_extension`,
 * `set_role_grants`).
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { parseControlFile } from "../../../domain/catalog/ControlFile.ts"
import { stored } from "../../../domain/catalog/Name.ts"
import type { CatalogObjects, ExtensionRequest, SchemaGrant } from "../../../domain/catalog/Requests.ts"
import { excerpt } from "../../../domain/json/Excerpt.ts"
import { ident } from "../../../domain/postgres/Quote.ts"
import { SqlFailed } from "../../sql/errors.ts"
import type { Sql, SqlSession } from "../../sql/Sql.ts"
import { controlFileRows, fileText } from "../controlFile.ts"
import { ExtensionNotInstalled, GrantsNotSet } from "../errors.ts"
import { slowest } from "./insights.ts"
import { write } from "./writability.ts"

type Sessions = Sql["Service"]

/** For all of a question, the wait for a connection too: a commit may hang where no limit of the server's counts. */
const PATIENCE: Duration.Input = "45 seconds"

const inTime = <A, E>(work: Effect.Effect<A, E>) =>
  Effect.timeoutOrElse(work, {
    duration: PATIENCE,
    orElse: () => Effect.fail(SqlFailed.of("error communicating with the server: no answer in time"))
  })

const asking = <A>(sql: Sessions, applicationName: string, ask: (session: SqlSession) => Effect.Effect<A, SqlFailed>) =>
  inTime(Effect.scoped(Effect.flatMap(sql.session({ applicationName }), ask)))

const ROLES = "SELECT rolname AS name, rolpassword AS encrypted_password FROM pg_catalog.pg_authid ORDER BY oid"
const DATABASES = `SELECT datname AS name, pg_catalog.pg_get_userbyid(datdba) AS owner, NOT datallowconn AS restrict_conn,
  datconnlimit OPERATOR(pg_catalog.=) '-2'::pg_catalog.int4 AS invalid FROM pg_catalog.pg_database ORDER BY oid`

const readObjects = (session: SqlSession): Effect.Effect<CatalogObjects, SqlFailed> =>
  Effect.gen(function* () {
    const roles = yield* session.query<{ name: string; encrypted_password: string | null }>(ROLES)
    const databases = yield* session.query<{
      name: string
      owner: string
      restrict_conn: boolean
      invalid: boolean
    }>(DATABASES)
    return {
      roles: roles.map(({ name, encrypted_password }) => ({ name, encrypted_password, options: null })),
      databases: databases.map(({ name, owner, restrict_conn, invalid }) => ({
        name,
        owner,
        options: null,
        restrict_conn,
        invalid
      }))
    }
  })

export const objects = (sql: Sessions) => asking(sql, "compute_ctl:get_dbs_and_roles", readObjects)

const DISK_FULL = "53100"
export const checkWritability = (sql: Sessions): Effect.Effect<void, SqlFailed> =>
  sql.session({ applicationName: "compute_ctl:availability_checker" }).pipe(
    Effect.flatMap(write),
    Effect.scoped,
    inTime,
    Effect.catchIf(
      (error) => error.sqlstate === DISK_FULL,
      () => Effect.logWarning("Tenant disk is full")
    )
  )

export const insights = (sql: Sessions) => asking(sql, "compute_ctl:collect_insights", slowest)

/** Loaded when somebody asks: no start does. */
export const facts = (sql: Sessions) =>
  Effect.flatMap(
    Effect.promise(() => import("../../postgres/facts.ts")),
    (module) => asking(sql, "compute_ctl:status", module.facts)
  )

interface Refusal {
  readonly message: string
  readonly sqlstate: string | null
}

const refusal =
  (head: string) =>
  ({ message, sqlstate }: SqlFailed): Refusal => ({ message: `${head}: ${message}`, sqlstate })

/** Connects and runs, with the step that failed in front of the cause. */
const within = <A>(
  sql: Sessions,
  applicationName: string,
  database: string,
  use: (session: SqlSession) => Effect.Effect<A, Refusal>
) =>
  sql
    .session({ applicationName, database, purpose: "change" })
    .pipe(Effect.mapError(refusal("Failed to connect to the database")), Effect.flatMap(use), Effect.scoped)

/** Characters of a statement that an error shows: its names are the client's. */
const SHOWN = 160

const run = (session: SqlSession, statement: string) =>
  Effect.mapError(session.script(statement), refusal(`Failed to execute query: ${excerpt(statement, SHOWN)}`))

const ask = <Row extends object>(session: SqlSession, statement: string, values: ReadonlyArray<string>) =>
  Effect.mapError(session.query<Row>(statement, values), refusal("Failed to execute query"))

const CONTROL_FILE = controlFileRows("$1::pg_catalog.text")
const OTHER_FILE = `SELECT ${fileText("$1")} AS content`

/**
 * The schema that the extension's control file fixes, or that of the version; asking for another one would fail. No
 * control file has a name with a slash in it.
 */
const fixedSchema = Effect.fnUntraced(function* (session: SqlSession, { extension, version }: ExtensionRequest) {
  if (`${extension}${version}`.includes("/")) return undefined
  const [found] = yield* ask<{ base: string; content: string }>(session, CONTROL_FILE, [extension])
  if (found === undefined) return undefined
  const control = parseControlFile(found.content)
  const folder = control.get("directory") ?? "extension"
  const scripts = folder.startsWith("/") ? folder : `${found.base}/${folder}`
  const [own] = yield* ask<{ content: string | null }>(session, OTHER_FILE, [
    `${scripts}/${extension}--${version}.control`
  ])
  return parseControlFile(own?.content ?? "").get("schema") ?? control.get("schema")
})

export const installExtension = (
  sql: Sessions,
  request: ExtensionRequest
): Effect.Effect<void, ExtensionNotInstalled> =>
  within(sql, "compute_ctl:install_extension", request.database, (session) =>
    Effect.gen(function* () {
      const extension = ident(stored(request.extension))
      const version = ident(stored(request.version))
      const [installed] = yield* ask<{ version: string }>(
        session,
        "SELECT extversion AS version FROM pg_catalog.pg_extension WHERE extname OPERATOR(pg_catalog.=) $1",
        [request.extension]
      )
      if (installed?.version === request.version) return
      if (installed !== undefined) return yield* run(session, `ALTER EXTENSION ${extension} UPDATE TO ${version}`)
      const fixed = yield* fixedSchema(session, request)
      const schema = fixed === undefined ? "WITH SCHEMA public " : ""
      yield* run(session, `CREATE EXTENSION IF NOT EXISTS ${extension} ${schema}VERSION ${version}`)
    })
  ).pipe(Effect.mapError((error) => new ExtensionNotInstalled(error)))

/** Only roles that may log in are looked at. */
const HELD = `SELECT DISTINCT x.privilege_type AS privilege
  FROM pg_catalog.pg_namespace n
  CROSS JOIN LATERAL pg_catalog.aclexplode(n.nspacl) x
  JOIN pg_catalog.pg_user u ON u.usesysid OPERATOR(pg_catalog.=) x.grantee
  WHERE n.nspname OPERATOR(pg_catalog.=) $1 AND u.usename OPERATOR(pg_catalog.=) $2`

export const setRoleGrants = (sql: Sessions, request: SchemaGrant): Effect.Effect<void, GrantsNotSet> =>
  within(sql, "compute_ctl:set_role_grants", request.database, (session) =>
    Effect.gen(function* () {
      const held = yield* ask<{ privilege: string }>(session, HELD, [request.schema, request.role])
      const missing = request.privileges.filter((wanted) => !held.some(({ privilege }) => privilege === wanted))
      if (missing.length === 0) return
      const list = [...new Set(missing)].join(", ")
      yield* run(session, `GRANT ${list} ON SCHEMA ${ident(stored(request.schema))} TO ${ident(stored(request.role))}`)
    })
  ).pipe(Effect.mapError((error) => new GrantsNotSet(error)))

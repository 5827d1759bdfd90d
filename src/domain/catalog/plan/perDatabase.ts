/**
 * Work inside databases: subscriptions inherited from a parent branch, rights on `public`.
 *
 * Source: `compute_tools/src/spec_apply.rs` (`DropLogicalSubscriptions`, `ChangeSchemaPerms`),
 * `compute_tools/src/sql/{drop_subscriptions,set_public_schema_owner,default_grants}.sql`.
 */

import { dollar, ident } from "../../postgres/Quote.ts"
import type { ComputeSpec } from "../../spec/ComputeSpec.ts"
import type { Inspection } from "../Inspection.ts"
import { stored } from "../Name.ts"
import { INVALID } from "../Snapshot.ts"
import type { Draft, DraftDatabase } from "./Draft.ts"
import { type DatabaseWork, named, type Step, step } from "./Step.ts"

/** The owner that databases keep until the spec says otherwise. */
const ADMINS: ReadonlyArray<string> = ["cloud_admin", "zenith_admin"]

const block = (tag: string, lines: ReadonlyArray<string>): string => `DO $${tag}$\n${lines.join("\n")}\n$${tag}$`

/**
 * The publisher is never asked: it may be unreachable, and on a branch the slot belongs to the parent's subscriber.
 * The lock comes first, because the shared catalog is scanned while ALTER SUBSCRIPTION asks for the same lock: without it
 * databases worked on at once deadlock.
 */
export const dropSubscriptions = (database: string): Step => {
  const { quoted, outerTag } = dollar(stored(database))
  return step(
    named("subscriptions of database", database),
    "inherited or in the way of a deletion",
    block(outerTag, [
      "DECLARE",
      "  subscription pg_catalog.name;",
      "BEGIN",
      "  LOCK TABLE pg_catalog.pg_subscription IN ACCESS EXCLUSIVE MODE;",
      "  FOR subscription IN",
      "    SELECT s.subname FROM pg_catalog.pg_subscription AS s",
      "      JOIN pg_catalog.pg_database AS d ON d.oid OPERATOR(pg_catalog.=) s.subdbid",
      `      WHERE d.datname OPERATOR(pg_catalog.=) ${quoted}`,
      "  LOOP",
      "    EXECUTE pg_catalog.format('ALTER SUBSCRIPTION %I DISABLE', subscription);",
      "    EXECUTE pg_catalog.format('ALTER SUBSCRIPTION %I SET (slot_name = NONE)', subscription);",
      "    EXECUTE pg_catalog.format('DROP SUBSCRIPTION %I', subscription);",
      "  END LOOP;",
      "END"
    ]),
    { database }
  )
}

/** A database the plan may enter; says so when it may not. */
const enterable = (draft: Draft, name: string): DraftDatabase | null => {
  const row = draft.databases.get(stored(name))
  if (row === undefined) {
    draft.warnings.push(`${named("database", name)} does not exist: skipped`)
    return null
  }
  if (row.connectable && row.limit !== INVALID) return row
  draft.warnings.push(`${named("database", name)} does not accept connections: skipped`)
  return null
}

const hasSubscriptions = (draft: Draft, name: string) => draft.snapshot.subscribers.includes(name)

/** A subscription or its slot would block DROP DATABASE. */
export const doomedSubscriptions = (spec: ComputeSpec, draft: Draft): ReadonlyArray<DatabaseWork> =>
  (spec.delta_operations ?? []).flatMap((op) => {
    if (op.action !== "delete_db" || !hasSubscriptions(draft, stored(op.name))) return []
    const row = enterable(draft, op.name)
    if (row === null) return []
    const { oid, owner } = row
    return [{ database: row.name, oid, owner, steps: [dropSubscriptions(row.name)], inspect: false }]
  })

/** Whether subscriptions inherited from the parent branch are still to be dropped on this timeline. */
export const subscriptionsPending = (spec: ComputeSpec, draft: Draft): boolean =>
  spec.drop_subscriptions_before_start &&
  (draft.snapshot.subscriptionsDroppedFor === null ||
    draft.snapshot.subscriptionsDroppedFor !== draft.snapshot.timeline)

/** The name a database had when it was looked at: a rename of this very plan does not move its subscriptions. */
const foundName = (draft: Draft, row: DraftDatabase): string =>
  draft.snapshot.databases.find(({ oid }) => oid === row.oid)?.name ?? row.name

/** Rights on `public`, which any user of the database may have changed. */
export const publicRights = (owner: string, database: string, found: Inspection, draft: Draft): ReadonlyArray<Step> => {
  if (found.publicOwner === null) return []
  const { privilegedRole } = draft.settings
  const schema = `schema "public" of ${named("database", database)}`
  const defaults = (kind: string) =>
    step(
      schema,
      `what our own role creates in it is for the privileged role, too: ${kind.toLowerCase()}`,
      `ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON ${kind} TO ${privilegedRole} WITH GRANT OPTION`,
      { database }
    )
  return [
    ...(ADMINS.includes(found.publicOwner) && owner !== found.publicOwner
      ? [step(schema, "belongs to the database's owner", `ALTER SCHEMA public OWNER TO ${ident(owner)}`, { database })]
      : []),
    ...(found.webAccess === false && draft.snapshot.version >= 150_000
      ? [step(schema, "web_access creates in it", "GRANT CREATE ON SCHEMA public TO web_access", { database })]
      : []),
    ...(found.tablesGranted ? [] : [defaults("TABLES")]),
    ...(found.sequencesGranted ? [] : [defaults("SEQUENCES")])
  ]
}

/** What each database of the spec needs. `settled` says that a database was worked on before and nothing has changed since. */
export const databaseWork = (
  spec: ComputeSpec,
  draft: Draft,
  settled: (row: DraftDatabase) => boolean
): ReadonlyArray<DatabaseWork> => {
  const pending = subscriptionsPending(spec, draft)
  const seen = new Set<string>()
  return spec.cluster.databases.flatMap((database): ReadonlyArray<DatabaseWork> => {
    const row = enterable(draft, database.name)
    if (row === null || seen.has(row.name)) return []
    seen.add(row.name)
    const before = foundName(draft, row)
    const known = pending && hasSubscriptions(draft, before) ? [dropSubscriptions(row.name)] : []
    const found = draft.snapshot.inspections.get(before)
    const steps = found === undefined ? known : [...known, ...publicRights(row.owner, row.name, found, draft)]
    const inspect = found === undefined && !settled(row)
    return inspect || steps.length > 0 ? [{ database: row.name, oid: row.oid, owner: row.owner, steps, inspect }] : []
  })
}

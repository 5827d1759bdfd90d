/**
 * Work inside databases: subscriptions inherited from a parent branch, rights on `public`.
 *
 * Source: `compute_tools/src/spec_apply.rs` (`DropLogicalSubscriptions`, `ChangeSchemaPerms`),
 * `compute_tools/src/sql/{drop_subscriptions,set_public_schema_owner,default_grants}.sql`.
 */

import { flatMapSteps, type Steps } from "../../json/Steps.ts"
import { since } from "../../postgres/Majors.ts"
import { dollar, ident } from "../../postgres/Quote.ts"
import type { ComputeSpec } from "../../spec/ComputeSpec.ts"
import type { Inspection } from "../Inspection.ts"
import { stored } from "../Name.ts"
import { INVALID } from "../Snapshot.ts"
import { ADMINS, type Draft, type DraftDatabase } from "./Draft.ts"
import { refusesSessions } from "./databases.ts"
import * as Outcome from "./Outcome.ts"
import { type DatabaseWork, named, type Step, step } from "./Step.ts"

const block = (tag: string, lines: ReadonlyArray<string>): string => `DO $${tag}$\n${lines.join("\n")}\n$${tag}$`

/** Nobody listens in a folder that is not there, and to find that out takes no time. */
const NOBODY = "host=/nonexistent port=1 password=none"

/**
 * The publisher is never asked: it may be unreachable, or accept and say nothing for ever, and on a branch the slot belongs
 * to the parent's subscriber. DROP SUBSCRIPTION would ask it for the slots of tables that are not in sync yet, unless it
 * cannot be reached. The lock comes first, because the shared catalog is scanned while ALTER SUBSCRIPTION asks for the same lock: without it
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
      "  unsynced pg_catalog.bool;",
      "BEGIN",
      "  LOCK TABLE pg_catalog.pg_subscription IN ACCESS EXCLUSIVE MODE;",
      "  FOR subscription, unsynced IN",
      "    SELECT s.subname, EXISTS (SELECT FROM pg_catalog.pg_subscription_rel AS r",
      "        WHERE r.srsubid OPERATOR(pg_catalog.=) s.oid AND r.srsubstate OPERATOR(pg_catalog.<>) 'r')",
      "      FROM pg_catalog.pg_subscription AS s",
      "      JOIN pg_catalog.pg_database AS d ON d.oid OPERATOR(pg_catalog.=) s.subdbid",
      `      WHERE d.datname OPERATOR(pg_catalog.=) ${quoted}`,
      "  LOOP",
      "    EXECUTE pg_catalog.format('ALTER SUBSCRIPTION %I DISABLE', subscription);",
      "    EXECUTE pg_catalog.format('ALTER SUBSCRIPTION %I SET (slot_name = NONE)', subscription);",
      "    IF unsynced THEN",
      `      EXECUTE pg_catalog.format('ALTER SUBSCRIPTION %I CONNECTION %L', subscription, '${NOBODY}');`,
      "    END IF;",
      "    EXECUTE pg_catalog.format('DROP SUBSCRIPTION %I', subscription);",
      "  END LOOP;",
      "END"
    ]),
    // That lock is one for the whole cluster, and kept to the end of the transaction.
    { database, alone: true, serial: true, provides: [Outcome.withoutSubscriptions(database)] }
  )
}

/** A database the plan may enter; says so when it may not. `wanted`: whether the spec means it to be entered. */
const enterable = (draft: Draft, name: string, wanted: boolean): DraftDatabase | null => {
  const row = draft.databases.get(stored(name))
  if (row === undefined) {
    draft.warnings.push(`${named("database", name)} does not exist: skipped`)
    return null
  }
  if (row.connectable && row.limit !== INVALID) return row
  draft.warnings.push(`${named("database", name)} does not accept connections: skipped`)
  if (wanted) draft.shut.push(row.name)
  return null
}

const hasSubscriptions = (draft: Draft, name: string) => draft.subscribers.has(name)

/** A subscription or its slot would block DROP DATABASE. */
export const doomedSubscriptions = (spec: ComputeSpec, draft: Draft): Steps<ReadonlyArray<DatabaseWork>> =>
  flatMapSteps(spec.delta_operations ?? [], (op): ReadonlyArray<DatabaseWork> => {
    if (op.action !== "delete_db" || !hasSubscriptions(draft, stored(op.name))) return []
    const row = enterable(draft, op.name, false)
    if (row === null) return []
    const { oid, owner } = row
    return [{ database: row.name, oid, owner, steps: [dropSubscriptions(row.name)], inspect: false, needs: [] }]
  })

/** Whether subscriptions inherited from the parent branch are still to be dropped on this timeline. */
export const subscriptionsPending = (spec: ComputeSpec, draft: Draft): boolean =>
  spec.drop_subscriptions_before_start &&
  (draft.snapshot.subscriptionsDroppedFor === null ||
    draft.snapshot.subscriptionsDroppedFor !== draft.snapshot.timeline)

/** What was created since belongs to users: the apply comes again when another database could not be entered. */
const isCleaned = (draft: Draft, { oid }: DraftDatabase): boolean =>
  oid !== null && draft.snapshot.cleaned?.has(oid) === true

/** The name a database had when it was looked at: a rename of this very plan does not move its subscriptions. */
const foundName = (draft: Draft, row: DraftDatabase): string =>
  (row.oid === null ? undefined : draft.names.get(row.oid)) ?? row.name

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
      { database, needs: [Outcome.role(privilegedRole)] }
    )
  return [
    ...(ADMINS.includes(found.publicOwner) && found.publicOfSuperuser && owner !== found.publicOwner
      ? [
          step(schema, "belongs to the database's owner", `ALTER SCHEMA public OWNER TO ${ident(owner)}`, {
            database,
            needs: [Outcome.role(owner), Outcome.ownerOf(database)]
          })
        ]
      : []),
    ...(draft.webAccess && found.webAccess === false && draft.snapshot.version >= since.closedPublicSchema
      ? [
          step(schema, "web_access creates in it", "GRANT CREATE ON SCHEMA public TO web_access", {
            database,
            needs: [Outcome.role("web_access")]
          })
        ]
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
): Steps<ReadonlyArray<DatabaseWork>> => {
  const pending = subscriptionsPending(spec, draft)
  const seen = new Set<string>()
  return flatMapSteps(spec.cluster.databases, (database): ReadonlyArray<DatabaseWork> => {
    const row = enterable(draft, database.name, !refusesSessions(database))
    if (row === null || seen.has(row.name)) return []
    seen.add(row.name)
    const before = foundName(draft, row)
    const inherited = pending && hasSubscriptions(draft, before) && !isCleaned(draft, row)
    const known = inherited ? [dropSubscriptions(row.name)] : []
    const found = draft.snapshot.inspections.get(before)
    const steps = found === undefined ? known : [...known, ...publicRights(row.owner, row.name, found, draft)]
    const inspect = found === undefined && !settled(row)
    if (!inspect && steps.length === 0) return []
    const needs = [Outcome.database(row.name)]
    return [{ database: row.name, oid: row.oid, owner: row.owner, steps, inspect, needs }]
  })
}

/**
 * Databases as objects of the cluster: created, given away, renamed, dropped.
 *
 * Source: `compute_tools/src/spec_apply.rs` (`DropInvalidDatabases`, `RenameAndDeleteDatabases`, `CreateAndAlterDatabases`).
 */

import { flatMapSteps, type Steps } from "../../json/Steps.ts"
import { ident } from "../../postgres/Quote.ts"
import type { ComputeSpec, Database, GenericOption } from "../../spec/ComputeSpec.ts"
import { stored } from "../Name.ts"
import { INVALID } from "../Snapshot.ts"
import { databaseClause, isPlain, options } from "./clauses.ts"
import type { Draft } from "./Draft.ts"
import * as Outcome from "./Outcome.ts"
import { named, quotedName, type Step, step } from "./Step.ts"

/**
 * CREATE DATABASE cannot share a transaction with the grants that belong to it. The connection limit, as good as none,
 * marks a database whose grants are outstanding, so that an apply cut between the two is completed by the next one.
 */
const UNFINISHED = 2147483646

export const dropInvalidDatabases = (draft: Draft): Steps<ReadonlyArray<Step>> =>
  flatMapSteps([...draft.databases.values()], ({ name, limit }): ReadonlyArray<Step> => {
    if (limit !== INVALID) return []
    draft.databases.delete(name)
    return [
      step(named("database", name), "an earlier DROP of it was interrupted", `DROP DATABASE IF EXISTS ${ident(name)}`, {
        alone: true,
        drops: name,
        provides: [Outcome.freed(Outcome.database(name))]
      })
    ]
  })

const dropDatabase = (name: string, template: boolean): ReadonlyArray<Step> => [
  ...(template
    ? [
        step(
          named("database", name),
          "to be deleted, which a template cannot be",
          `ALTER DATABASE ${ident(name)} IS_TEMPLATE false`,
          { needs: [Outcome.database(name)], provides: [Outcome.ordinary(name)] }
        )
      ]
    : []),
  step(named("database", name), "to be deleted", `DROP DATABASE IF EXISTS ${ident(name)} WITH (FORCE)`, {
    alone: true,
    drops: stored(name),
    needs: [Outcome.database(name), Outcome.ordinary(name), Outcome.withoutSubscriptions(name)],
    provides: [Outcome.freed(Outcome.database(name))]
  })
]

const renameDatabase = (from: string, to: string): Step =>
  step(
    named("database", from),
    `to be renamed to ${quotedName(to)}`,
    `ALTER DATABASE ${ident(from)} RENAME TO ${ident(to)}`,
    {
      alone: true,
      needs: [Outcome.database(from), Outcome.freed(Outcome.database(to))],
      provides: [Outcome.database(to), Outcome.freed(Outcome.database(from))]
    }
  )

export const renameAndDeleteDatabases = (spec: ComputeSpec, draft: Draft): Steps<ReadonlyArray<Step>> =>
  flatMapSteps(spec.delta_operations ?? [], (op): ReadonlyArray<Step> => {
    const found = draft.databases.get(stored(op.name))
    if (op.action === "delete_db") {
      draft.databases.delete(stored(op.name))
      return found === undefined ? [] : dropDatabase(op.name, found.template)
    }
    if (op.action !== "rename_db") return []
    if (op.new_name === null) return draft.refuse(`rename_db of ${quotedName(op.name)} has no new_name`)
    if (found === undefined) return []
    const name = stored(op.new_name)
    const rename = renameDatabase(op.name, op.new_name)
    // The server is going to refuse it, and both stay what they are.
    if (draft.databases.has(name)) return [{ ...rename, provides: [] }]
    draft.databases.delete(found.name)
    draft.databases.set(name, { ...found, name })
    return [rename]
  })

const isLimit = ({ name }: GenericOption) => /^\s*connection[\s_]+limit\b/i.test(name)

const isTemplate = ({ name }: GenericOption) => /^\s*template\b/i.test(name)

/** The database that a new one is a copy of: options may give name and value together, and quote the name or not. */
const sourceOf = (database: Database): string => {
  const option = database.options?.find(isTemplate)
  if (option === undefined) return "template1"
  const { name, value, vartype } = option
  if (value !== null && vartype === "string") return stored(value)
  const given = `${name} ${value ?? ""}`.replace(/^\s*template\s*=?\s*/i, "").trim()
  const quoted = /^"((?:[^"]|"")+)"$/.exec(given) ?? /^'((?:[^']|'')+)'$/.exec(given)
  return stored(quoted?.[1]?.replaceAll('""', '"').replaceAll("''", "'") ?? given.toLowerCase())
}

const create = (database: Database): Step => {
  const rest = database.options?.filter((option) => !isLimit(option)) ?? null
  const clause = databaseClause({ ...database, options: rest })
  const source = sourceOf(database)
  return step(
    named("database", database.name),
    "missing",
    `CREATE DATABASE ${ident(database.name)} ${clause} CONNECTION LIMIT ${UNFINISHED}`,
    {
      alone: true,
      creates: stored(database.name),
      source,
      needs: [Outcome.role(database.owner), Outcome.database(source), Outcome.freed(Outcome.database(database.name))],
      provides: [Outcome.database(database.name), Outcome.ownerOf(database.name)]
    }
  )
}

export const createAndAlterDatabases = (spec: ComputeSpec, draft: Draft): Steps<ReadonlyArray<Step>> =>
  flatMapSteps(spec.cluster.databases, (database): ReadonlyArray<Step> => {
    const name = stored(database.name)
    const owner = stored(database.owner)
    const found = draft.databases.get(name)
    if (found?.owner === owner) return []
    if (found === undefined) {
      draft.databases.set(name, {
        oid: null,
        name,
        owner,
        template: false,
        connectable: !refusesSessions(database),
        limit: UNFINISHED
      })
      return [create(database)]
    }
    draft.databases.set(name, { ...found, owner })
    return [
      step(
        named("database", database.name),
        `its owner is ${quotedName(found.owner)}`,
        `ALTER DATABASE ${ident(database.name)} OWNER TO ${ident(database.owner)}`,
        {
          needs: [Outcome.database(database.name), Outcome.role(database.owner)],
          provides: [Outcome.ownerOf(database.name)]
        }
      )
    ]
  })

/** The spec itself shuts it. */
export const refusesSessions = (database: Database): boolean =>
  (database.options ?? []).some(
    ({ name, value }) => /^\s*allow_connections\b/i.test(name) && /^(false|off|no|f|n|0)$/i.test(value ?? "")
  )

/** Grants of databases that this plan creates, or that an interrupted one has left without. */
export const grantDatabases = (spec: ComputeSpec, draft: Draft): Steps<ReadonlyArray<Step>> =>
  flatMapSteps(spec.cluster.databases, (database): ReadonlyArray<Step> => {
    const row = draft.databases.get(stored(database.name))
    if (row?.limit !== UNFINISHED) return []
    draft.databases.set(row.name, { ...row, limit: -1 })
    const limits = database.options?.filter(isLimit) ?? []
    const name = ident(database.name)
    return [
      step(
        named("database", database.name),
        row.oid === null ? "the privileged role may use what the spec creates" : "its creation was interrupted",
        [
          `GRANT ALL ON DATABASE ${name} TO ${draft.settings.privilegedRole}`,
          `ALTER DATABASE ${name} ${limits.length === 0 ? "CONNECTION LIMIT -1" : options(limits)}`
        ].join("; "),
        {
          alone: !isPlain(limits),
          needs: [Outcome.database(database.name), Outcome.role(draft.settings.privilegedRole)]
        }
      )
    ]
  })

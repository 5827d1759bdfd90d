/**
 * Clauses of CREATE ROLE and CREATE DATABASE from the spec's options.
 *
 * Source: `compute_tools/src/pg_helpers.rs` (`PgOptionsSerialize`, `Escaping` of `Role` and `Database`).
 */

import { ident, literal } from "../../postgres/Quote.ts"
import type { Database, GenericOption, Role } from "../../spec/ComputeSpec.ts"

const option = ({ name, value, vartype }: GenericOption): string => {
  if (value === null) return name
  return `${name} ${vartype === "string" ? literal(value) : value}`
}

/** Joined by one space; empty for null. */
export const options = (list: ReadonlyArray<GenericOption> | null): string => (list ?? []).map(option).join(" ")

const harmless = /^[\w .:+-]*$/

/** Options go into SQL as they are given; only plain words can safely stand in one message with other statements. */
export const isPlain = (list: ReadonlyArray<GenericOption> | null): boolean =>
  (list ?? []).every(
    ({ name, value, vartype }) =>
      harmless.test(name) &&
      !name.includes("--") &&
      (value === null || vartype === "string" || (harmless.test(value) && !value.includes("--")))
  )

const joined = (...parts: ReadonlyArray<string>): string => parts.filter((part) => part !== "").join(" ")

export const HIDDEN = "'<redacted>'"

/**
 * Options go into SQL as they are given. Where one may end in a comment, what follows stands on a line of its own: else
 * the role came into being without LOGIN, the database without its owner.
 */
const separator = (list: ReadonlyArray<GenericOption> | null): string => (isPlain(list) ? " " : "\n")

/** `CREATE ROLE ...` or `ALTER ROLE ...` with the role's options; its password, if it has one, is set separately. */
export const roleStatement = (head: string, role: Role): string => {
  const login = role.encrypted_password === null ? "LOGIN PASSWORD NULL" : "LOGIN"
  // One text, and not the tree of its parts: there may be a hundred thousand.
  return [joined(head, options(role.options)), login].join(separator(role.options))
}

export const databaseClause = (database: Database): string => {
  const owner = `OWNER ${ident(database.owner)}`
  const given = options(database.options)
  return given === "" ? owner : `${given}${separator(database.options)}${owner}`
}

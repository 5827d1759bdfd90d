/**
 * Clauses of CREATE ROLE and CREATE DATABASE from the spec's options.
 *
 * Source: `compute_tools/src/pg_helpers.rs` (`PgOptionsSerialize`, `Escaping` of `Role` and `Database`).
 */
import * as Redacted from "effect/Redacted"
import type { Database, GenericOption, Role } from "../ComputeSpec.ts"
import { ident, literal } from "../Quote.ts"
import { stored } from "./Name.ts"

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

export interface RoleStatement {
  readonly statement: string
  /** Without the verifier. */
  readonly shown: string
}

/**
 * `CREATE ROLE ...` or `ALTER ROLE ...` with the role's options and password, which is a whole verifier or null.
 *
 * PASSWORD costs the server some milliseconds for every role: it runs the whole key derivation of the verifier to find out
 * whether the password is empty. With `many` roles to set, the verifier is written where PASSWORD would write it, unchanged.
 */
export const roleStatement = (head: string, role: Role, many: boolean): RoleStatement => {
  const clause = joined(head, options(role.options), "LOGIN")
  if (role.encrypted_password === null) {
    return { statement: `${clause} PASSWORD NULL`, shown: `${clause} PASSWORD NULL` }
  }
  const value = Redacted.value(role.encrypted_password)
  const withPassword = (password: string) => `${clause} PASSWORD ${password}`
  if (!many) {
    return { statement: withPassword(literal(value)), shown: withPassword(HIDDEN) }
  }
  const written = (password: string) =>
    `${clause}; UPDATE pg_catalog.pg_authid SET rolpassword = ${password} WHERE rolname OPERATOR(pg_catalog.=) ${literal(stored(role.name))}`
  return { statement: written(literal(value)), shown: written(HIDDEN) }
}

export const databaseClause = (database: Database): string =>
  joined(options(database.options), `OWNER ${ident(database.owner)}`)

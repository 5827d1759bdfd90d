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

const MD5 = /^md5[0-9a-f]{32}$/

/** The verifier as Postgres stores it; the spec keeps MD5 ones without their prefix. */
export const verifier = (password: string): string =>
  password.startsWith("SCRAM-SHA-256") || MD5.test(password) ? password : `md5${password}`

const joined = (...parts: ReadonlyArray<string>): string => parts.filter((part) => part !== "").join(" ")

export const HIDDEN = "'<redacted>'"

/** Exactly what the server itself would store; anything else it takes for a password in clear and hashes. */
const SCRAM = /^SCRAM-SHA-256\$[1-9]\d*:[A-Za-z0-9+/]+={0,2}\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=$/

export interface RoleStatement {
  readonly statement: string
  /** Without the verifier. */
  readonly shown: string
}

/**
 * `CREATE ROLE ...` or `ALTER ROLE ...` with the role's options and password.
 *
 * PASSWORD costs the server some milliseconds for every role: it runs the whole key derivation of the verifier to find out
 * whether the password is empty. With `many` roles to set, a verifier that is well formed is written where PASSWORD would
 * write it, unchanged.
 */
export const roleStatement = (head: string, role: Role, many: boolean): RoleStatement => {
  const clause = joined(head, options(role.options), "LOGIN")
  if (role.encrypted_password === null) {
    return { statement: `${clause} PASSWORD NULL`, shown: `${clause} PASSWORD NULL` }
  }
  const value = verifier(Redacted.value(role.encrypted_password))
  const withPassword = (password: string) => `${clause} PASSWORD ${password}`
  if (!many || !(SCRAM.test(value) || MD5.test(value))) {
    return { statement: withPassword(literal(value)), shown: withPassword(HIDDEN) }
  }
  const written = (password: string) =>
    `${clause}; UPDATE pg_catalog.pg_authid SET rolpassword = ${password} WHERE rolname = ${literal(stored(role.name))}`
  return { statement: written(literal(value)), shown: written(HIDDEN) }
}

export const databaseClause = (database: Database): string =>
  joined(options(database.options), `OWNER ${ident(database.owner)}`)

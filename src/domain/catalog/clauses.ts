/**
 * Clauses of CREATE ROLE and CREATE DATABASE from the spec's options.
 *
 * Source: `compute_tools/src/pg_helpers.rs` (`PgOptionsSerialize`, `Escaping` of `Role` and `Database`).
 */
import * as Redacted from "effect/Redacted"
import type { Database, GenericOption, Role } from "../ComputeSpec.ts"
import { ident, literal } from "../Quote.ts"

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

/** The role's clause with its password, and the same without it. */
export const roleClause = (role: Role): { readonly statement: string; readonly shown: string } => {
  const head = joined(options(role.options), "LOGIN PASSWORD")
  if (role.encrypted_password === null) return { statement: `${head} NULL`, shown: `${head} NULL` }
  return {
    statement: `${head} ${literal(verifier(Redacted.value(role.encrypted_password)))}`,
    shown: `${head} ${HIDDEN}`
  }
}

export const databaseClause = (database: Database): string =>
  joined(options(database.options), `OWNER ${ident(database.owner)}`)

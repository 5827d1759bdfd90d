/**
 * What went wrong, in the words of the original's driver.
 *
 * Source: `tokio_postgres::Error` and `DbError` (their `Display`), Rust's `std::io::Error`.
 */
import { getSystemErrorMap } from "node:util"
import { DatabaseError } from "pg-protocol"
import { shortened } from "../../domain/json/Excerpt.ts"
import { SqlFailed } from "./SqlFailed.ts"

const osErrors: Readonly<Record<string, string>> = {
  ECONNREFUSED: "Connection refused",
  ECONNRESET: "Connection reset by peer",
  ENOENT: "No such file or directory",
  EACCES: "Permission denied",
  EPIPE: "Broken pipe",
  ETIMEDOUT: "Connection timed out",
  EHOSTUNREACH: "No route to host",
  ENETUNREACH: "Network is unreachable",
  EMFILE: "Too many open files",
  EADDRNOTAVAIL: "Cannot assign requested address"
}

const codeOf = (error: Error): string | null => {
  const direct = "code" in error && typeof error.code === "string" ? error.code : null
  if (direct !== null) return direct
  const inner: unknown = error instanceof AggregateError ? error.errors.at(-1) : undefined
  return inner instanceof Error ? codeOf(inner) : null
}

const osText = (error: Error): string => {
  const code = codeOf(error)
  const known = code === null ? undefined : osErrors[code]
  if (known === undefined) return error.message
  const number = [...getSystemErrorMap()].find(([, [name]]) => name === code)?.[0]
  return number === undefined ? known : `${known} (os error ${-number})`
}

interface ServerError {
  readonly message: string
  readonly severity?: string | undefined
  readonly code?: string | undefined
  readonly detail?: string | undefined
  readonly hint?: string | undefined
}

const textAt = (error: Error, name: string): string | undefined => {
  const value: unknown = Reflect.get(error, name)
  return typeof value === "string" ? value : undefined
}

/** What the server answered: either driver puts the fields of the message onto an error. */
const answered = (error: unknown): ServerError | null => {
  if (error instanceof DatabaseError) return error
  if (!(error instanceof Error)) return null
  const severity = textAt(error, "severity")
  if (severity === undefined) return null
  const { message } = error
  return {
    message,
    severity,
    code: textAt(error, "code"),
    detail: textAt(error, "detail"),
    hint: textAt(error, "hint")
  }
}

const databaseError = (error: ServerError): SqlFailed => {
  const detail = error.detail === undefined ? null : shortened(error.detail)
  const hint = error.hint === undefined ? null : shortened(error.hint)
  const lines = [
    `db error: ${error.severity ?? "ERROR"}: ${shortened(error.message)}`,
    ...(detail === null ? [] : [`DETAIL: ${detail}`]),
    ...(hint === null ? [] : [`HINT: ${hint}`])
  ]
  return new SqlFailed({ message: lines.join("\n"), sqlstate: error.code ?? null, hint, detail })
}

const other = (message: string) => new SqlFailed({ message, sqlstate: null, hint: null, detail: null })

/** A connection attempt failed. */
export const connectFailed = (error: unknown): SqlFailed => {
  const answer = answered(error)
  if (answer !== null) return databaseError(answer)
  return other(`error connecting to server: ${error instanceof Error ? osText(error) : "unknown"}`)
}

export const connectTimedOut = other("error connecting to server: connection timed out")

/** A statement failed, or its connection broke. */
export const statementFailed = (error: unknown): SqlFailed => {
  const answer = answered(error)
  if (answer !== null) return databaseError(answer)
  const text = error instanceof Error ? osText(error) : "unknown"
  return other(
    /terminated|not queryable/.test(text) ? "connection closed" : `error communicating with the server: ${text}`
  )
}

/**
 * What went wrong, in the words of the original's driver.
 *
 * Source: `tokio_postgres::Error` and `DbError` (their `Display`).
 */
import { shortened } from "../../domain/json/Excerpt.ts"
import { SqlFailed } from "./errors.ts"
import type { WireFailed } from "./wire/errors.ts"

export const connectFailed = (reason: string) => SqlFailed.of(`error connecting to server: ${reason}`)

export const connectTimedOut = connectFailed("connection timed out")

const serverFailed = ({ message, sqlstate, ...more }: WireFailed) => {
  const detail = more.detail === null ? null : shortened(more.detail)
  const hint = more.hint === null ? null : shortened(more.hint)
  const lines = [
    shortened(message),
    ...(detail === null ? [] : [`DETAIL: ${detail}`]),
    ...(hint === null ? [] : [`HINT: ${hint}`])
  ]
  return new SqlFailed({ message: lines.join("\n"), sqlstate, hint, detail })
}

/** A connection attempt or a statement failed, or the connection broke. */
export const sqlFailed = (failure: WireFailed): SqlFailed => {
  if (failure.kind === "server") return serverFailed(failure)
  return SqlFailed.of(
    failure.kind === "protocol" ? `error communicating with the server: ${failure.message}` : failure.message
  )
}

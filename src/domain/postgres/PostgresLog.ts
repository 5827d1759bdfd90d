/**
 * Postgres' log as one line per message: the lines of a message are joined by a zero-width space, so that a message
 * stays one event and can still be taken apart.
 *
 * Source: `compute_tools/src/pg_helpers.rs` (`handle_postgres_logs`).
 */
import { printable } from "../observe/LogLine.ts"

const SEPARATOR = "\u200B"
const PREFIX = "PG:"
/** Characters kept of one message; a backend that dumps its memory contexts writes megabytes. */
export const LONGEST_MESSAGE = 256 * 1024

/** Whether a line begins a message: Postgres' default prefix starts with the time. */
export const beginsMessage = (line: string): boolean => /^\d+-\d{2}-\d{2} \d{2}:\d{2}:\d{2}/.test(line)

/**
 * What a server says on its way to the first connection when it gets on. Not what it repeats while it waits, and nothing
 * that sessions bring about.
 *
 * Source: PostgreSQL `src/backend/access/transam/xlogrecovery.c`, `xlog.c`, `src/backend/storage/file/fd.c`.
 */
const PROGRESS =
  /LOG: {1,3}(?:redo (?:starts|in progress|done)|restartpoint|recovery restart point|checkpoint|consistent recovery state|syncing data directory|resetting unlogged relations|restored log file)/

export const tellsProgress = (message: string): boolean => PROGRESS.test(message.slice(0, 500))

/** Tabs stay: Postgres indents with them. What else a statement put into the log is not for the terminal to obey. */
const visible = (text: string): string => text.split("\t").map(printable).join("\t")

/** `more`: characters of the message that its reader did not keep. */
export const renderMessage = (lines: ReadonlyArray<string>, more = 0): string => {
  const text = lines.join(SEPARATOR)
  const rest = Math.max(0, text.length - LONGEST_MESSAGE) + more
  return PREFIX + visible(rest > 0 ? `${text.slice(0, LONGEST_MESSAGE)}… (${rest} more)` : text)
}

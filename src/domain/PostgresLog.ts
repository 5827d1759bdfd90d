/**
 * Postgres' log as one line per message: the lines of a message are joined by a zero-width space, so that a message
 * stays one event and can still be taken apart.
 *
 * Source: `compute_tools/src/pg_helpers.rs` (`handle_postgres_logs`).
 */
const SEPARATOR = "\u200B"
const PREFIX = "PG:"
/** Characters kept of one message; a backend that dumps its memory contexts writes megabytes. */
const LONGEST = 256 * 1024

/** Whether a line begins a message: Postgres' default prefix starts with the time. */
export const beginsMessage = (line: string): boolean => /^\d+-\d{2}-\d{2} \d{2}:\d{2}:\d{2}/.test(line)

export const renderMessage = (lines: ReadonlyArray<string>): string => {
  const text = lines.join(SEPARATOR)
  return PREFIX + (text.length > LONGEST ? `${text.slice(0, LONGEST)}… (${text.length - LONGEST} more)` : text)
}

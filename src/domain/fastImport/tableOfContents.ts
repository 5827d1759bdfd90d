/**
 * What `pg_restore --list` says is in a dump: a line each, `number; catalog object KIND schema name owner`.
 *
 * Source: PostgreSQL documentation, `pg_restore`.
 */

const EVENT_TRIGGER = /^\d+; \d+ \d+ (?:COMMENT - )?EVENT TRIGGER /
const TABLE_DATA = /^\d+; \d+ \d+ TABLE DATA /

export interface TableOfContents {
  /** Without event triggers and what is said of them; their functions stay. */
  readonly withoutEventTriggers: string
  readonly hasEventTriggers: boolean
  /** Tables that have data. */
  readonly tables: number
}

export const read = (text: string): TableOfContents => {
  const lines = text.split("\n")
  const kept = lines.filter((line) => !EVENT_TRIGGER.test(line))
  return {
    withoutEventTriggers: kept.join("\n"),
    hasEventTriggers: kept.length < lines.length,
    tables: lines.filter((line) => TABLE_DATA.test(line)).length
  }
}

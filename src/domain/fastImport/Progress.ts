/**
 * How far a job is: from what its programs say, and of its uploads.
 *
 * Source: `pg_dump --verbose`, `pg_restore --verbose`.
 */

/** What is counted, with the names of log fields. */
export type Measure = Readonly<Record<string, string | number>>

export interface Progress {
  readonly phase: "dump" | "restore" | "upload"
  readonly measure: Measure
}

const BEGUN = /^pg_(?:dump|restore): (?:dumping contents of table|processing data for table) "(.*)"$/
const FINISHED = /^pg_restore: finished item \d+ TABLE DATA /

/** The table whose data is read or written from now on. */
export const tableOf = (line: string): string | null => BEGUN.exec(line)?.[1] ?? null

/** Whether the data of a table is complete: said where there are several jobs. */
export const isTableFinished = (line: string): boolean => FINISHED.test(line)

const UNITS = ["B", "kB", "MB", "GB", "TB"]

const bytesText = (bytes: number): string => {
  const unit = Math.min(UNITS.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(bytes, 1)) / 3)))
  const amount = bytes / 1000 ** unit
  return `${unit === 0 ? amount : amount.toFixed(1)} ${UNITS[unit]}`
}

/** One line for a terminal. */
export const sentence = ({ measure, phase }: Progress): string => {
  const { bytes, bytes_done, objects, objects_done, table, tables, tables_done } = measure
  if (phase === "upload") {
    return `upload: ${objects_done} of ${objects} objects, ${bytesText(Number(bytes_done))} of ${bytesText(Number(bytes))}`
  }
  const tablesText = tables === undefined ? "" : ` ${tables_done} of ${tables} tables`
  return `${phase}:${tablesText}${table === undefined ? "" : ` ${table}`}`
}

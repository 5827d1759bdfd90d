/**
 * Rows of cells as aligned columns that fit a line.
 */
import { harmless, harmlessPainted } from "./harmless.ts"
import { plain } from "./Paint.ts"

/** Escapes that a cell's paint has put in; they take no room. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: escapes are what is looked for.
const ESCAPES = /\x1b\[\d*m/g

export const width = (text: string): number => [...text.replace(ESCAPES, "")].length

export const onOneLine = (text: string): string => harmless(text.replaceAll("\n", " "))

const GAP = 2
/** No column gets narrower. */
const NARROWEST = 8

/** Takes from the widest column until the line fits. */
const fitted = (natural: ReadonlyArray<number>, room: number): ReadonlyArray<number> => {
  const widths = [...natural]
  for (;;) {
    const total = widths.reduce((sum, each) => sum + each, 0) + GAP * (widths.length - 1)
    const widest = widths.indexOf(Math.max(...widths))
    const most = widths[widest] ?? 0
    if (total <= room || most <= NARROWEST) return widths
    widths[widest] = Math.max(NARROWEST, most - (total - room))
  }
}

/** Paint ends where a cell is cut. */
const cut = (text: string, room: number): string =>
  width(text) <= room ? text : `${[...text.replace(ESCAPES, "")].slice(0, room - 1).join("")}…`

const padded = (text: string, room: number): string => text + " ".repeat(Math.max(0, room - width(text)))

export type Table = ReadonlyArray<ReadonlyArray<string>>

/** A line for each row, without blanks at its end; none, and no head, without rows. `room`: characters of a line; null where it does not matter. */
export const table = (rows: Table, room: number | null = null, paint = plain, head?: ReadonlyArray<string>) => {
  if (rows.length === 0) return []
  const clean = rows.map((row) => row.map(harmlessPainted))
  const all = head === undefined ? clean : [head.map(paint.dim), ...clean]
  const columns = Math.max(0, ...all.map((row) => row.length))
  const natural = Array.from({ length: columns }, (_, at) => Math.max(0, ...all.map((row) => width(row[at] ?? ""))))
  const widths = room === null ? natural : fitted(natural, room)
  return all.map((row) =>
    row
      .map((cell, at) => padded(cut(cell, widths[at] ?? 0), widths[at] ?? 0))
      .join(" ".repeat(GAP))
      .trimEnd()
  )
}

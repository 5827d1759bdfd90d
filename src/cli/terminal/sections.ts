/**
 * A screen of named sections, each with names and values or with lines of its own.
 */

import { harmlessPainted } from "./harmless.ts"
import type { Paint } from "./Paint.ts"
import { width } from "./table.ts"

export interface Section {
  readonly title: string
  readonly lines: ReadonlyArray<string>
}

const INDENT = "  "
const NAME = 14

const named = (name: string): string => (name.length < NAME ? name.padEnd(NAME) : `${name}  `)

/** `name` and a value, which may have several lines. */
export const row = (name: string, value: string): ReadonlyArray<string> =>
  harmlessPainted(value)
    .split("\n")
    .map((line, index) => `${index === 0 ? named(name) : " ".repeat(NAME)}${line}`.trimEnd())

/** Lines that are longer than the room continue below themselves. */
const wrapped = (line: string, room: number | null): ReadonlyArray<string> => {
  if (room === null || width(line) <= room) return [line]
  const at = line.lastIndexOf(" ", room)
  const end = at > NAME ? at : room
  const rest = line.slice(end).trimStart()
  return [line.slice(0, end), ...wrapped(`${" ".repeat(NAME)}${rest}`, rest === "" ? null : Math.max(room, NAME + 8))]
}

/** Sections without lines are left out. */
export const sections = (all: ReadonlyArray<Section>, paint: Paint, room: number | null): string =>
  all
    .filter(({ lines }) => lines.length > 0)
    .map(({ lines, title }) =>
      [
        paint.head(harmlessPainted(title)),
        ...lines
          .flatMap((line) => wrapped(line, room === null ? null : room - INDENT.length))
          .map((line) => harmlessPainted(INDENT + line).trimEnd())
      ].join("\n")
    )
    .join("\n\n")

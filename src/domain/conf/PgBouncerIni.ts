/**
 * Settings put into a `pgbouncer.ini`, everything else left as its author wrote it, comments included.
 *
 * Source: `compute_tools/src/compute.rs` (`tune_pgbouncer`), `compute_tools/src/config.rs`.
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import { excerpt } from "../json/Excerpt.ts"

/** A name or value that would add a line or a section of its own. */
export class BadPgBouncerSetting extends Data.TaggedError("BadPgBouncerSetting")<{ readonly name: string }> {
  override get message() {
    return `pgbouncer setting ${JSON.stringify(excerpt(this.name))}: not a name and a value on one line`
  }
}

const SECTION = "pgbouncer"
const NAME = /^[A-Za-z_][\w.-]*$/

const sectionOf = (line: string): string | undefined => /^\s*\[([^\]]*)\]/.exec(line)?.[1]?.trim()
const nameOf = (line: string): string | undefined => /^\s*([^;#%[=\s][^=\s]*)\s*=/.exec(line)?.[1]

/** For each line the section it stands in; a header stands in its own. */
const sectionsOf = (lines: ReadonlyArray<string>): ReadonlyArray<string | undefined> => {
  let current: string | undefined
  return lines.map((line) => {
    current = sectionOf(line) ?? current
    return current
  })
}

/** New settings go behind the last line of the section that says something. */
const endOfSection = (lines: ReadonlyArray<string>, sections: ReadonlyArray<string | undefined>): number =>
  lines.findLastIndex((line, index) => sections[index] === SECTION && line.trim() !== "") + 1

export const mergeIni = (
  text: string,
  settings: Readonly<Record<string, string>>
): Result.Result<string, BadPgBouncerSetting> => {
  const wanted = Object.entries(settings)
  const bad = wanted.find(([name, value]) => !NAME.test(name) || /[\r\n\0]/.test(value))
  if (bad !== undefined) return Result.fail(new BadPgBouncerSetting({ name: bad[0] }))
  if (wanted.length === 0) return Result.succeed(text)

  const values = new Map(wanted)
  const lines = text === "" ? [] : text.replace(/\n$/, "").split("\n")
  const sections = sectionsOf(lines)
  const present = new Set<string>()
  const replaced = lines.map((line, index) => {
    const name = sections[index] === SECTION ? nameOf(line) : undefined
    const value = name === undefined ? undefined : values.get(name)
    if (name === undefined || value === undefined) return line
    present.add(name)
    return `${name}=${value}`
  })
  const added = wanted.filter(([name]) => !present.has(name)).map(([name, value]) => `${name}=${value}`)
  if (!sections.includes(SECTION)) {
    return Result.succeed(`${[...replaced, ...(lines.length > 0 ? [""] : []), `[${SECTION}]`, ...added].join("\n")}\n`)
  }
  const end = endOfSection(lines, sections)
  return Result.succeed(`${[...replaced.slice(0, end), ...added, ...replaced.slice(end)].join("\n")}\n`)
}

const words: Readonly<Record<string, string>> = { yes: "1", on: "1", true: "1", no: "0", off: "0", false: "0" }

/** One form for each meaning: pgbouncer shows switches as digits, and numbers without what they do not need. */
const meaning = (value: string): string => {
  const text = value.trim().toLowerCase()
  const word = words[text] ?? text
  return word !== "" && Number.isFinite(Number(word)) ? String(Number(word)) : word
}

/**
 * Names of settings that a running pgbouncer has not got. `shown`: name and value of each that it has, as `SHOW CONFIG`
 * gives them; none at all is no answer, and nothing is known then.
 */
export const notTaken = (
  settings: Readonly<Record<string, string>>,
  shown: ReadonlyArray<readonly [name: string, value: string]>
): ReadonlyArray<string> => {
  if (shown.length === 0) return []
  const known = new Map(shown)
  return Object.entries(settings)
    .filter(([name, value]) => {
      const has = known.get(name)
      return has === undefined || meaning(has) !== meaning(value)
    })
    .map(([name]) => name)
}

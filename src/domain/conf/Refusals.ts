/**
 * What a Postgres says against a `postgresql.conf`, and which part of the spec each line of that came from.
 *
 * Source: PostgreSQL `src/backend/utils/misc/guc-file.l`, `guc.c` (`ProcessConfigFileInternal`, `parse_and_validate_value`).
 */
import { shortened } from "../json/Excerpt.ts"
import { redact } from "../observe/Redaction.ts"
import type { ComputeSpec } from "../spec/ComputeSpec.ts"
import type { Fault } from "./Fault.ts"

export interface Refusal {
  /** Null where a line could not be read at all. */
  readonly name: string | null
  /** From 1; null where Postgres does not say it. */
  readonly line: number | null
  readonly reason: string
}

const SAID = /(?:^|\s)(?:LOG|WARNING|ERROR|FATAL): {1,3}(.*)/
const HINT = /(?:^|\s)(?:HINT|DETAIL): {1,3}(.*)/
const PLACE = / in file "[^"]*" line (\d+)/
const NAME = /\bparameter(?: name)? "([^"]+)"/
/** Only says that there was something, or that a file is not there which need not be. */
const SUMMARY = /^configuration file "[^"]*" contains errors|^skipping missing configuration file/

/** Each complaint once, with what Postgres says to it besides. */
export const refusalsOf = (stderr: string): ReadonlyArray<Refusal> => {
  const found: Array<Refusal> = []
  for (const text of stderr.split("\n")) {
    const hint = HINT.exec(text)?.[1]
    const last = found.at(-1)
    if (hint !== undefined && last !== undefined)
      found[found.length - 1] = { ...last, reason: `${last.reason} (${hint})` }
    const said = SAID.exec(text)?.[1]
    if (said === undefined || SUMMARY.test(said)) continue
    const line = PLACE.exec(said)?.[1]
    found.push({
      name: NAME.exec(said)?.[1] ?? null,
      line: line === undefined ? null : Number(line),
      reason: shortened(redact(said.replace(PLACE, "")))
    })
  }
  return found
}

/** The name at the beginning of a line of the file, as Postgres compares it. */
const nameIn = (line: string): string | null => /^\s*([A-Za-z_][\w.$-]*)/.exec(line)?.[1]?.toLowerCase() ?? null

const isOf = (line: string, { name }: Refusal): boolean => name !== null && nameIn(line) === name.toLowerCase()

/** The file without what was refused, so that Postgres gets to what it would say next; null when that is the same file. */
export const without = (text: string, refusals: ReadonlyArray<Refusal>): string | null => {
  const numbers = new Set(refusals.map(({ line }) => line))
  const left = text
    .split("\n")
    .map((line, at) =>
      numbers.has(at + 1) || refusals.some((refusal) => refusal.line === null && isOf(line, refusal)) ? "" : line
    )
    .join("\n")
  return left === text ? null : left
}

const SETTINGS = "# Managed by compute_ctl: begin"

/** The fault with its JSON path. `text`: the file as it was rendered from the spec. */
export const faultOf = (spec: ComputeSpec, text: string, refusal: Refusal): Fault => {
  const { reason } = refusal
  const lines = text.split("\n")
  // The last line of a name is the one that counts.
  const line = refusal.line ?? lines.findLastIndex((candidate) => isOf(candidate, refusal)) + 1
  const given = spec.cluster.postgresql_conf
  if (given !== null && line >= 1 && line <= given.split("\n").length) {
    return { path: "spec.cluster.postgresql_conf", message: `line ${line}: ${reason}` }
  }
  const index = line - 2 - lines.lastIndexOf(SETTINGS)
  if (lines.includes(SETTINGS) && index >= 0 && index < (spec.cluster.settings?.length ?? 0)) {
    return { path: `spec.cluster.settings[${index}]`, message: reason }
  }
  return { path: "", message: reason }
}

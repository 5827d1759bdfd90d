/**
 * `RUST_LOG`, the filter of what is logged.
 *
 * Source: `tracing-subscriber` (`EnvFilter`), `libs/tracing-utils`.
 */
export type Level = "TRACE" | "DEBUG" | "INFO" | "WARN" | "ERROR"
export type Filter = Level | "OFF"

const severity: Record<Filter, number> = { TRACE: 0, DEBUG: 1, INFO: 2, WARN: 3, ERROR: 4, OFF: 5 }

const digits: Record<string, Filter> = {
  "0": "OFF",
  "1": "ERROR",
  "2": "WARN",
  "3": "INFO",
  "4": "DEBUG",
  "5": "TRACE"
}

const parseLevel = (text: string): Filter | undefined => {
  const upper = text.toUpperCase()
  return upper in severity ? (upper as Filter) : digits[text]
}

const DIRECTIVE = /^([\w:.-]*)(\[[^\]]*\])?(?:=(\w+))?$/

/** The two crates of the original: a directive for either is for us. */
const OURS: ReadonlyArray<string> = ["compute_ctl", "compute_tools"]

/**
 * The least severe level that is logged. Unset or with a directive that cannot be read: `INFO`. Set but empty: `ERROR`.
 * Directives for targets of other programs, or for spans, are accepted and match nothing.
 * `otherwise`: where there are only such.
 */
export const parseFilter = (text: string | undefined, ours = OURS, otherwise: Filter = "OFF"): Filter => {
  if (text === undefined) return "INFO"
  const directives = text
    .split(",")
    .map((directive) => directive.trim())
    .filter((directive) => directive !== "")
  if (directives.length === 0) return "ERROR"
  let general: Filter | undefined
  let own: Filter | undefined
  for (const directive of directives) {
    const bare = parseLevel(directive)
    if (bare !== undefined) {
      general = bare
      continue
    }
    const match = DIRECTIVE.exec(directive)
    const [, target = "", span, level] = match ?? []
    const parsed = level === undefined ? "TRACE" : parseLevel(level)
    if (match === null || parsed === undefined || (target === "" && span === undefined)) return "INFO"
    if (span === undefined && ours.includes(target)) own = parsed
  }
  return own ?? general ?? otherwise
}

export const passes = (filter: Filter, level: Level): boolean => severity[level] >= severity[filter]

/**
 * `RUST_LOG`, the filter of what is logged.
 *
 * Source: `tracing-subscriber` (`EnvFilter`), `libs/tracing-utils`.
 */
export type Level = "TRACE" | "DEBUG" | "INFO" | "WARN" | "ERROR"
export type Filter = Level | "OFF"

/** Each may be written as its place. */
const filters: ReadonlyArray<Filter> = ["OFF", "ERROR", "WARN", "INFO", "DEBUG", "TRACE"]

const parseLevel = (text: string): Filter | undefined => {
  const upper = text.toUpperCase()
  return filters.find((filter, index) => filter === upper || String(index) === text)
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

/**
 * One line in a configuration file.
 *
 * Source: `compute_tools/src/config.rs` (`line_in_file`).
 */

const linesOf = (text: string): ReadonlyArray<string> => {
  const lines = text.split("\n").map((line) => (line.endsWith("\r") ? line.slice(0, -1) : line))
  return lines.at(-1) === "" ? lines.slice(0, -1) : lines
}

/** The text with `line` at its end, without a final newline; null when some line of it equals `line` already. */
export const withLine = (text: string, line: string): string | null => {
  const lines = linesOf(text)
  if (lines.includes(line)) return null
  return lines.length === 0 ? `${text}${line}` : `${text}\n${line}`
}

/** The text with `line` before everything else; null when some line of it equals `line` already. */
export const withFirstLine = (text: string, line: string): string | null =>
  linesOf(text).includes(line) ? null : `${line}\n${text}`

/**
 * An error and what caused it, from the outermost to the root, in the two forms clients know.
 */

/** What something thrown says of itself. */
export const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown))

/** The code of an error of the operating system, as `ENOENT`; null when it has none. */
export const codeOf = (thrown: unknown): string | null =>
  thrown instanceof Error && "code" in thrown ? String(thrown.code) : null

/** The messages of an error and its causes. */
export const messages = (error: Error): ReadonlyArray<string> => {
  const all: Array<string> = []
  let current: unknown = error
  while (current instanceof Error && all.length < 32) {
    all.push(current.message)
    current = current.cause
  }
  return all
}

/** Several lines: the head, then `Caused by:` with one cause indented, or several numbered. The text of `/status`. */
export const paragraph = (chain: ReadonlyArray<string>): string => {
  const [head = "unknown error", ...causes] = chain
  if (causes.length === 0) return head
  const indented = (text: string, prefix: string) => prefix + text.replaceAll("\n", `\n${" ".repeat(prefix.length)}`)
  const list =
    causes.length === 1
      ? causes.map((cause) => indented(cause, "    "))
      : causes.map((cause, index) => indented(cause, `${String(index).padStart(5)}: `))
  return `${head}\n\nCaused by:\n${list.join("\n")}`
}

/** One line: all joined by `: `. */
export const line = (chain: ReadonlyArray<string>): string => chain.join(": ")

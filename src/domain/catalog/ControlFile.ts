/**
 * An extension's control file: lines of `name = 'value'`.
 *
 * Source: PostgreSQL `src/backend/commands/extension.c` (`parse_extension_control_file`), `src/backend/utils/misc/guc-file.l`.
 */
const LINE = /^\s*(\w+)(?:\s*=\s*|\s+|(?='))(?:'((?:[^'\\]|''|\\.)*)'|([^\s'#]+))\s*(?:#.*)?$/

/** The last value of each name; lines that are none are passed by. */
export const parseControlFile = (text: string): ReadonlyMap<string, string> => {
  const found = new Map<string, string>()
  for (const line of text.split("\n")) {
    const [, name, quoted, bare] = LINE.exec(line) ?? []
    if (name !== undefined)
      found.set(name.toLowerCase(), quoted?.replace(/''|\\(.)/g, (_, one) => one ?? "'") ?? bare ?? "")
  }
  return found
}

/**
 * Names as Postgres stores them.
 *
 * Source: `truncate_identifier` of PostgreSQL (`src/backend/parser/scansup.c`), `NAMEDATALEN`.
 */
const BYTES = 63

const width = (codePoint: number): number =>
  codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x10000 ? 3 : 4

/** Cuts a name to 63 bytes of UTF-8, between characters: the server does it silently, and a comparison must follow. */
export const stored = (name: string): string => {
  if (name.length * 3 <= BYTES) return name
  let bytes = 0
  let length = 0
  for (const character of name) {
    bytes += width(character.codePointAt(0) ?? 0)
    if (bytes > BYTES) return name.slice(0, length)
    length += character.length
  }
  return name
}

/**
 * As much of a foreign text as errors and log lines show of it. Whoever sends a megabyte gets no megabyte back, and does
 * not fill a disk with it.
 */

/** Characters of one quoted text. A line that quotes a path of keys and a value stays below 200. */
const QUOTED = 64

/** Never between the halves of a surrogate pair. */
const head = (text: string, length: number): string => {
  const last = text.charCodeAt(length - 1)
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? length - 1 : length)
}

/** Its beginning, with an ellipsis where it goes on. `most`: UTF-16 units without the ellipsis. */
export const excerpt = (text: string, most = QUOTED): string => (text.length <= most ? text : `${head(text, most)}…`)

/** Characters of what a server quotes before it is cut, of a word, and of a whole message. */
const LONG_QUOTE = /"([^"]{101,})"/g
const WORD = /[^\s"]+/g
const LONGEST_WORD = 200
const LONGEST_MESSAGE = 1000

/** A server's message, which may quote what it was sent: long quotes and words are cut, then the whole. */
export const shortened = (message: string): string =>
  excerpt(
    message
      .slice(0, 8 * LONGEST_MESSAGE)
      .replace(LONG_QUOTE, (_, quoted: string) => `"${excerpt(quoted)}"`)
      .replace(WORD, (word) => (word.length > LONGEST_WORD ? excerpt(word) : word)),
    LONGEST_MESSAGE
  )

/** What the note about the missing part may take. */
const NOTE = 40

/** Bytes of a UTF-16 unit in a log line, where quotes, backslashes and control characters are escaped. */
const weight = (code: number): number => {
  if (code < 0x20 || (code >= 0x7f && code < 0xa0) || (code >= 0x2028 && code <= 0x202e)) return 6
  if (code === 0x22 || code === 0x5c) return 2
  return code < 0x80 ? 1 : code < 0x800 ? 2 : 3
}
const HEAVIEST = 6

/** At most so many bytes when it is written, with a note of how many characters are missing. */
export const withinBytes = (text: string, most: number): string => {
  if (text.length * HEAVIEST <= most) return text
  let bytes = 0
  let fits = 0
  for (let at = 0; at < text.length; at++) {
    bytes += weight(text.charCodeAt(at))
    if (bytes > most) return `${head(text, fits)}… (${text.length - fits} more)`
    if (bytes <= most - NOTE) fits = at + 1
  }
  return text
}

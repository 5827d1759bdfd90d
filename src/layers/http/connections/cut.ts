/**
 * Where what came in on a connection is cut, so that the parser finds at most one request in a piece.
 *
 * The parser decides alone what a request is. A cut in the wrong place costs a second request at a time or some speed, never
 * a different reading: that is why this looks for so little.
 */
import type { IncomingMessage } from "node:http"

const NEWLINE = 0x0a
const RETURN = 0x0d

/** Behind the first empty line, where a head or a chunked body may end; all of it when there is none. */
export const afterEmptyLine = (bytes: Buffer): number => {
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) {
    if (bytes[at + 1] === NEWLINE) return at + 2
    if (bytes[at + 1] === RETURN && bytes[at + 2] === NEWLINE) return at + 3
  }
  return bytes.length
}

/** Bytes of the body by the head; null when only the body itself tells. */
export const bodyLength = ({ headers }: IncomingMessage): number | null => {
  const length = Number(headers["content-length"])
  return headers["transfer-encoding"] === undefined && Number.isSafeInteger(length) ? length : null
}

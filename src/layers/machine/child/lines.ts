/**
 * Lines of a byte stream, as they come. Bytes that are not UTF-8 are replaced. Of a line that is too long the beginning is
 * kept, and how much more there was: whoever writes it may not decide about our memory.
 */
import { StringDecoder } from "node:string_decoder"

/** Characters kept of a line. */
const LONGEST = 255 * 1024

export interface LineSplitter {
  readonly push: (chunk: Buffer) => void
  readonly end: () => void
}

export const splitLines = (emit: (line: string) => void): LineSplitter => {
  const decoder = new StringDecoder("utf8")
  let line = ""
  let more = 0
  const add = (text: string) => {
    const room = LONGEST - line.length
    line += text.length <= room ? text : text.slice(0, room)
    more += Math.max(0, text.length - room)
  }
  const give = () => {
    emit(more > 0 ? `${line}… (${more} more)` : line.endsWith("\r") ? line.slice(0, -1) : line)
    line = ""
    more = 0
  }
  const take = (text: string) => {
    let from = 0
    for (let at = text.indexOf("\n"); at !== -1; at = text.indexOf("\n", from)) {
      add(text.slice(from, at))
      give()
      from = at + 1
    }
    add(text.slice(from))
  }
  return {
    push: (chunk) => take(decoder.write(chunk)),
    end: () => {
      take(decoder.end())
      if (line !== "") give()
    }
  }
}

/**
 * Lines of a byte stream, as they come. Bytes that are not UTF-8 are replaced, a line that never ends is cut.
 */
import { StringDecoder } from "node:string_decoder"

/** Characters after which a line is given out although it has not ended. */
const LONGEST = 1024 * 1024

export interface LineSplitter {
  readonly push: (chunk: Buffer) => void
  readonly end: () => void
}

export const splitLines = (emit: (line: string) => void): LineSplitter => {
  const decoder = new StringDecoder("utf8")
  let rest = ""
  const take = (text: string) => {
    const parts = (rest + text).split("\n")
    rest = parts.pop() ?? ""
    for (const part of parts) emit(part.endsWith("\r") ? part.slice(0, -1) : part)
    if (rest.length > LONGEST) {
      emit(rest)
      rest = ""
    }
  }
  return {
    push: (chunk) => take(decoder.write(chunk)),
    end: () => {
      take(decoder.end())
      if (rest !== "") emit(rest)
      rest = ""
    }
  }
}

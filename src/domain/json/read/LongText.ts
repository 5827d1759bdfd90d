/** A text of a JSON document that is read in pieces, so that nothing else waits for its end. */
import { hasControl, piece } from "./JsonString.ts"

/** Characters of a text up to which it is taken in one go. */
export const SHORT = 64 * 1024

export class LongText {
  private readonly pieces: Array<string> = []
  /** The quote at its end where that is seen already, because it has no escapes. */
  private readonly plainEnd: number | null
  /** Offset of its first character. */
  readonly begin: number
  /** Where `read` stopped is what no string may have. */
  isMalformed = false
  /** The whole content, once its end was read. */
  value: string | undefined = undefined

  constructor(begin: number, plainEnd: number | null) {
    this.begin = begin
    this.plainEnd = plainEnd
  }

  get isPlain(): boolean {
    return this.plainEnd !== null
  }

  /** One piece more, from `at` on; where the next one begins, behind the closing quote in the end. */
  read(text: string, at: number): number {
    return this.plainEnd === null ? this.escaped(text, at) : this.plain(text, at, this.plainEnd)
  }

  private plain(text: string, at: number, quote: number): number {
    const end = Math.min(at + SHORT, quote)
    const content = text.slice(at, end)
    this.isMalformed = hasControl(content)
    if (this.isMalformed) return at
    this.pieces.push(content)
    if (end < quote) return end
    this.value = this.pieces.join("")
    return end + 1
  }

  private escaped(text: string, at: number): number {
    const { end, isLast, value } = piece(text, at, SHORT)
    if (value === undefined) {
      this.isMalformed = true
      return at
    }
    this.pieces.push(value)
    if (isLast) this.value = this.pieces.join("")
    return end
  }
}

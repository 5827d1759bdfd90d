/** A text of a JSON document that is read in pieces, so that nothing else waits for its end. */
import { hasControl, piece } from "./JsonString.ts"

/** Characters of a text up to which it is taken in one go. */
export const SHORT = 64 * 1024

export class LongText {
  private at: number
  private readonly pieces: Array<string> = []
  private readonly text: string
  /** The quote at its end where that is known already, because it has no escapes. */
  private readonly plainEnd: number | null
  /** Its first character. */
  readonly begin: number
  /** Where `read` stopped is what no string may have. */
  isMalformed = false
  /** The whole content, once its end was read. */
  value: string | undefined = undefined

  constructor(text: string, begin: number, plainEnd: number | null) {
    this.text = text
    this.begin = begin
    this.at = begin
    this.plainEnd = plainEnd
  }

  get isPlain(): boolean {
    return this.plainEnd !== null
  }

  /** One piece more; where the next one begins, behind the closing quote in the end. */
  read(): number {
    this.at = this.plainEnd === null ? this.escaped() : this.plain(this.plainEnd)
    return this.at
  }

  private plain(quote: number): number {
    const end = Math.min(this.at + SHORT, quote)
    this.isMalformed = hasControl(this.text.slice(this.at, end))
    if (this.isMalformed) return this.at
    if (end < quote) return end
    this.value = this.text.slice(this.begin, end)
    return end + 1
  }

  private escaped(): number {
    const { end, isLast, value } = piece(this.text, this.at, SHORT)
    if (value === undefined) {
      this.isMalformed = true
      return this.at
    }
    this.pieces.push(value)
    if (isLast) this.value = this.pieces.join("")
    return end
  }
}

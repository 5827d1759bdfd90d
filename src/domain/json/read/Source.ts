/**
 * The text of a document: whole, or in pieces that come one by one each time they are asked for. Of a body of 60 MB there
 * need be no text beside its bytes.
 */
export type Source = string | Iterable<string>

export const piecesOf = (source: Source): Iterable<string> => (typeof source === "string" ? [source] : source)

/** The part of a text that is looked at. */
export class Window {
  readonly #pieces: Iterator<string>
  /** Offset of its first character. */
  begin = 0
  text = ""
  /** It ends where the whole text does. */
  isLast = false

  constructor(source: Source) {
    this.#pieces = piecesOf(source)[Symbol.iterator]()
  }

  /** At least so many characters from `at` on, if the text has them; whether it begins at `at` now. */
  slide(at: number, characters: number): boolean {
    let moved = false
    while (!this.isLast && this.text.length - (moved ? 0 : at) < characters) {
      const { done, value } = this.#pieces.next()
      if (done === true) this.isLast = true
      else {
        this.text = moved ? this.text + value : this.text.slice(at) + value
        if (!moved) this.begin += at
        moved = true
      }
    }
    return moved
  }
}

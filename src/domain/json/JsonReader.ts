/**
 * The machine that reads JSON: it works off a text in steps, so that nothing else waits for the end of a long one, and each
 * character costs the same wherever it stands.
 */
import type { JsonDuplicate, JsonFault, JsonNul, JsonPlace } from "./Json.ts"
import { closing, hasControl, indexOf, malformed, type Piece, piece, unescaped } from "./JsonString.ts"
import { JsonFloat, type JsonObject, type JsonValue } from "./JsonValue.ts"

/** Containers within each other. */
const MAX_DEPTH = 127
/** Values of one document. A spec of 40 MB that is full of options has four million. */
const MAX_VALUES = 5_000_000
/** Of those, lists and objects: an empty one takes two bytes of a body and fifty of memory. */
const MAX_CONTAINERS = 1_500_000
/** Members of one object. Lists may be as long as the document. */
const MAX_MEMBERS = 50_000
/** Members of one document that were given more than once. */
const MAX_DUPLICATES = 1000
/** Texts with a NUL of which the place is kept: one is enough to refuse a document, whoever mends it wants to see a few. */
const MAX_NULS = 100
/** Characters of a number. What it costs grows faster than its length; a double is written out in 1075 at most. */
const MAX_NUMBER = 1100
/** Characters of a key. */
const MAX_KEY = 16 * 1024
/** Characters of a text up to which it is taken in one go. */
const SHORT = 64 * 1024
/** From so many values on a container is not decoded in one go. */
const MANY = 500

const QUOTE = 0x22

/** A list or an object that is being read. */
interface Frame {
  readonly container: JsonValue
  readonly list: Array<JsonValue> | null
  readonly object: Record<string, JsonValue> | null
  members: number
  /** Values read when it began. */
  readonly before: number
  readonly place: JsonPlace | undefined
}

/** What may come next. The first element or key may also be the end. */
type State = "value" | "first element" | "element" | "first key" | "key" | "colon" | "text" | "after" | "done"

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39
/** `e` and `E` */
const isExponent = (code: number): boolean => (code | 0x20) === 0x65

const set = (object: Record<string, JsonValue>, key: string, value: JsonValue): void => {
  if (key !== "__proto__") object[key] = value
  else Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true })
}

export class JsonReader {
  private at = 0
  private state: State = "value"
  private key = ""
  private values = 0
  private containers = 0
  private nextQuote = -1
  private nextBackslash = -1
  /** Of a long text: where it begins, its end if that is known because it has no escapes, its pieces if not. */
  private begin = 0
  private plainEnd: number | null = null
  private pieces: Array<string> = []
  private readonly text: string
  private readonly frames: Array<Frame> = []
  private frame: Frame | undefined = undefined
  private place: JsonPlace | undefined
  root: JsonValue | undefined = undefined
  fault: JsonFault | null = null
  readonly duplicates: Array<JsonDuplicate> = []
  readonly nuls: Array<JsonNul> = []
  readonly large = new Set<JsonValue>()

  /** `places`: what to note the offsets of, by the keys that lead there. */
  constructor(text: string, places?: JsonPlace) {
    this.text = text
    this.place = places
  }

  get end(): number {
    return this.at
  }
  get open(): ReadonlySet<JsonValue> {
    return new Set(this.frames.map(({ container }) => container))
  }

  /** Reads on for about so many characters; false when there is more. */
  step(characters: number): boolean {
    const until = this.at + characters
    while (this.state !== "done" && this.fault === null) {
      if (this.state === "text") this.longText()
      else this.space(until)
      if (this.at >= until) return false
      this.next()
    }
    return true
  }

  private next(): undefined {
    const code = this.text.charCodeAt(this.at)
    switch (this.state) {
      case "first element":
        if (code === 0x5d) return this.leave()
        return this.value(code)
      case "element":
        if (code === 0x5d) return this.fail("trailing comma")
        return this.value(code)
      case "first key":
        if (code === 0x7d) return this.leave()
        return this.member(code)
      case "value":
        return this.value(code)
      case "key":
        return this.member(code)
      case "colon":
        return this.colon(code)
      case "after":
        return this.after(code)
      default:
    }
  }

  /** The machine stops with the first fault. */
  private fail(message: string, offset = this.at): undefined {
    const ended = offset >= this.text.length && !message.startsWith("EOF")
    this.fault = { message: ended ? "EOF while parsing a value" : message, offset }
    for (const frame of this.frames) this.measure(frame)
  }

  private measure({ before, container }: Frame): undefined {
    if (this.values - before > MANY) this.large.add(container)
  }

  private space(until: number): void {
    const { text } = this
    let at = this.at
    for (; at < until; at++) {
      const code = text.charCodeAt(at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) break
    }
    this.at = at
  }

  private value(code: number): undefined {
    if (this.place !== undefined) this.place.begin = this.at
    if (++this.values > MAX_VALUES) return this.fail(`more than ${MAX_VALUES} values`)
    switch (code) {
      case QUOTE:
        return this.string()
      case 0x7b: {
        const object: Record<string, JsonValue> = {}
        return this.enter(object, null, object)
      }
      case 0x5b: {
        const list: Array<JsonValue> = []
        return this.enter(list, list, null)
      }
      case 0x74:
        return this.word("true", true)
      case 0x66:
        return this.word("false", false)
      case 0x6e:
        return this.word("null", null)
      default:
        return this.number()
    }
  }

  private attach(value: JsonValue): void {
    if (this.frame === undefined) this.root = value
    else if (this.frame.list !== null) this.frame.list.push(value)
    else if (this.frame.object !== null) set(this.frame.object, this.key, value)
  }

  private complete(value: JsonValue): undefined {
    this.attach(value)
    this.state = this.frame === undefined ? "done" : "after"
  }

  private enter(container: JsonValue, list: Frame["list"], object: Frame["object"]): undefined {
    this.attach(container)
    this.frame = { container, list, object, members: 0, before: this.values, place: this.place }
    this.frames.push(this.frame)
    if (this.frames.length > MAX_DEPTH) return this.fail("recursion limit exceeded")
    if (++this.containers > MAX_CONTAINERS) return this.fail(`more than ${MAX_CONTAINERS} lists and objects`)
    this.at++
    if (list === null) {
      this.state = "first key"
    } else {
      this.place = this.place?.below.get(0)
      this.state = "first element"
    }
  }

  private leave(): undefined {
    this.at++
    const left = this.frames.pop()
    if (left !== undefined) this.measure(left)
    if (left?.place !== undefined) left.place.end = this.at
    this.frame = this.frames.at(-1)
    this.state = this.frame === undefined ? "done" : "after"
  }

  /** Behind a member: another one, or the end of the container. */
  private after(code: number): undefined {
    const { list, place } = this.frame ?? { list: null, place: undefined }
    if (code === (list === null ? 0x7d : 0x5d)) return this.leave()
    if (code !== 0x2c) {
      const ended = list === null ? "EOF while parsing an object" : "EOF while parsing a list"
      return this.fail(Number.isNaN(code) ? ended : `expected \`,\` or \`${list === null ? "}" : "]"}\``)
    }
    this.at++
    this.state = list === null ? "key" : "element"
    if (list !== null) this.place = place?.below.get(list.length)
  }

  private member(code: number): undefined {
    const { frame, text } = this
    if (code !== QUOTE) {
      const found = code === 0x7d ? "trailing comma" : "key must be a string"
      return this.fail(Number.isNaN(code) ? "EOF while parsing an object" : found)
    }
    if (frame === undefined || frame.object === null) return
    if (++frame.members > MAX_MEMBERS) return this.fail(`more than ${MAX_MEMBERS} members in one object`)
    const { plain, quote } = this.extent(MAX_KEY)
    if (quote - this.at > MAX_KEY) return this.fail(`key of more than ${MAX_KEY} characters`)
    const key = quote >= text.length ? undefined : this.content(quote, plain)
    if (key === undefined) return this.badString(this.at + 1)
    if (!plain) this.lookForNul(key, null, this.at)
    if (Object.hasOwn(frame.object, key)) this.repeated(frame.object, key, this.at)
    this.key = key
    this.at = quote + 1
    this.place = frame.place?.below.get(key)
    this.state = "colon"
  }

  private repeated(object: JsonObject, key: string, offset: number): undefined {
    if (this.duplicates.push({ object, key, offset }) > MAX_DUPLICATES) {
      this.fail(`more than ${MAX_DUPLICATES} members were given again`, offset)
    }
  }

  private colon(code: number): undefined {
    if (code !== 0x3a) return this.fail(Number.isNaN(code) ? "EOF while parsing an object" : "expected `:`")
    this.at++
    this.state = "value"
  }

  private word(word: string, value: JsonValue): undefined {
    let same = 0
    while (same < word.length && this.text[this.at + same] === word[same]) same++
    if (same < word.length) return this.fail("expected ident", this.at + same)
    this.at += word.length
    this.complete(value)
  }

  private digits(from: number): number {
    let at = from
    while (isDigit(this.text.charCodeAt(at)) && at - this.at <= MAX_NUMBER) at++
    return at
  }

  private number(): undefined {
    const { text, at: start } = this
    let at = start
    if (text.charCodeAt(at) === 0x2d) at++
    const first = text.charCodeAt(at)
    if (!isDigit(first)) return this.fail(at > start ? "invalid number" : "expected value")
    at = first === 0x30 ? at + 1 : this.digits(at)
    const whole = at
    if (text.charCodeAt(at) === 0x2e && isDigit(text.charCodeAt(at + 1))) at = this.digits(at + 1)
    if (isExponent(text.charCodeAt(at))) {
      const sign = text.charCodeAt(at + 1)
      const exponent = sign === 0x2b || sign === 0x2d ? at + 2 : at + 1
      if (isDigit(text.charCodeAt(exponent))) at = this.digits(exponent)
    }
    if (at - start > MAX_NUMBER) return this.fail(`number of more than ${MAX_NUMBER} characters`)
    const next = text.charCodeAt(at)
    // A digit, a point or an exponent that the grammar did not take: 01, 1., 1e
    if (isDigit(next) || next === 0x2e || isExponent(next)) return this.fail("invalid number", at)
    const digits = text.slice(start, at)
    const number = Number(digits)
    if (at > whole && !Number.isFinite(number)) return this.fail("number out of range", start)
    this.at = at
    if (at === whole) this.complete(Number.isSafeInteger(number) ? number : BigInt(digits))
    else this.complete(Number.isInteger(number) ? new JsonFloat(number) : number)
  }

  /** The quote that ends the string that begins here, as far as it is looked for. */
  private extent(most: number): { readonly plain: boolean; readonly quote: number } {
    const { text } = this
    const start = this.at + 1
    // Kept: most strings have no backslash, and each would be looked for up to the end.
    if (this.nextQuote < start) this.nextQuote = indexOf(text, '"', start)
    if (this.nextBackslash < start) this.nextBackslash = indexOf(text, "\\", start)
    const plain = this.nextBackslash > this.nextQuote
    return { plain, quote: plain ? this.nextQuote : closing(text, start, most) }
  }

  private content(quote: number, plain: boolean): string | undefined {
    const content = this.text.slice(this.at + 1, quote)
    return plain && !hasControl(content) ? content : unescaped(content)
  }

  private badString(from: number): undefined {
    const { message, offset } = malformed(this.text, from)
    this.fail(message, offset)
  }

  private string(): undefined {
    const { plain, quote } = this.extent(SHORT)
    if (quote - this.at > SHORT || quote >= this.text.length) {
      this.at++
      this.begin = this.at
      this.plainEnd = plain && quote < this.text.length ? quote : null
      this.state = "text"
      return
    }
    const value = this.content(quote, plain)
    if (value === undefined) return this.badString(this.at + 1)
    if (!plain) this.lookForNul(value, this.frame?.list?.length ?? this.key, this.at)
    this.at = quote + 1
    this.took(value)
  }

  /** Written as an escape, or it would be a control character. */
  private lookForNul(text: string, key: string | number | null, offset: number): undefined {
    if (text.includes("\0") && this.nuls.length < MAX_NULS) {
      this.nuls.push({ container: this.frame?.container ?? null, key, offset })
    }
  }

  private took(value: string): undefined {
    if (value.isWellFormed()) this.complete(value)
    else this.fail("lone leading surrogate in hex escape")
  }

  /** Some more of a text that is too long for one step. */
  private longText(): undefined {
    if (this.plainEnd !== null) {
      const end = Math.min(this.at + SHORT, this.plainEnd)
      if (hasControl(this.text.slice(this.at, end))) return this.badString(this.at)
      this.at = end
      if (end < this.plainEnd) return
      this.at++
      return this.took(this.text.slice(this.begin, end))
    }
    const { end, isLast, value }: Piece = piece(this.text, this.at, SHORT)
    if (value === undefined) return this.badString(this.at)
    this.pieces.push(value)
    this.at = end
    if (!isLast) return
    const whole = this.pieces.join("")
    this.pieces = []
    this.lookForNul(whole, this.frame?.list?.length ?? this.key, this.begin - 1)
    this.took(whole)
  }
}

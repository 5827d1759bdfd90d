/**
 * The machine that reads JSON: it works off a text in steps, so that nothing else waits for the end of a long one, and each
 * character costs the same wherever it stands.
 */

import type { JsonObject, JsonValue } from "../JsonValue.ts"
import { readNumber } from "./JsonNumber.ts"
import type { JsonDuplicate, JsonFault, JsonNul, JsonPlace } from "./JsonRead.ts"
import { closing, hasControl, indexOf, malformed, unescaped } from "./JsonString.ts"
import { MAX_CONTAINERS, MAX_DEPTH, MAX_DUPLICATES, MAX_KEY, MAX_MEMBERS, MAX_NULS, MAX_VALUES } from "./jsonLimits.ts"
import { LongText, SHORT } from "./LongText.ts"
import { type Source, Window } from "./Source.ts"

/** From so many values on a container is not decoded in one go. */
const MANY = 500

/** What is read in one go ends within so many characters: a key, a number, a piece of a text. */
const AHEAD = 2 * SHORT
/** Up to so many characters a slice is a copy. A longer one would keep all that it was cut from. */
const COPIED = 12

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
  private long: LongText | undefined = undefined
  private readonly window: Window
  /** The window's, and `at` a place in it; offsets that are told are the whole text's. */
  private text = ""
  private readonly frames: Array<Frame> = []
  private frame: Frame | undefined = undefined
  private place: JsonPlace | undefined
  root: JsonValue | undefined = undefined
  fault: JsonFault | null = null
  readonly duplicates: Array<JsonDuplicate> = []
  readonly nuls: Array<JsonNul> = []
  readonly large = new Set<JsonValue>()

  /** `places`: what to note the offsets of, by the keys that lead there. */
  constructor(source: Source, places?: JsonPlace) {
    this.window = new Window(source)
    this.place = places
  }

  get end(): number {
    return this.window.begin + this.at
  }
  get open(): ReadonlySet<JsonValue> {
    return new Set(this.frames.map(({ container }) => container))
  }

  /** Reads on for about so many characters; false when there is more. */
  step(characters: number): boolean {
    this.slide(characters)
    const until = this.at + characters
    while (this.state !== "done" && this.fault === null) {
      if (!this.seesAhead()) return false
      if (this.state === "text") this.longText()
      else this.space(until)
      if (this.at >= until) return false
      this.next()
    }
    return true
  }

  /** A text whose end is seen already is read in the window where it is. */
  private seesAhead(): boolean {
    return this.window.isLast || this.long?.isPlain === true || this.text.length - this.at >= AHEAD
  }

  private slide(characters: number): void {
    if (this.long?.isPlain === true || !this.window.slide(this.at, AHEAD + characters)) return
    this.text = this.window.text
    this.at = 0
    this.nextQuote = -1
    this.nextBackslash = -1
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
    this.fault = { message: ended ? "EOF while parsing a value" : message, offset: this.window.begin + offset }
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
    if (this.place !== undefined) this.place.begin = this.end
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
    if (left?.place !== undefined) left.place.end = this.end
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
    if (!plain) this.lookForNul(key, null, this.end)
    if (Object.hasOwn(frame.object, key)) this.repeated(frame.object, key)
    this.key = key
    this.at = quote + 1
    this.place = frame.place?.below.get(key)
    this.state = "colon"
  }

  private repeated(object: JsonObject, key: string): undefined {
    if (this.duplicates.push({ object, key, offset: this.end }) > MAX_DUPLICATES) {
      this.fail(`more than ${MAX_DUPLICATES} members were given again`)
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

  private number(): undefined {
    const { end, message, value } = readNumber(this.text, this.at)
    if (value === undefined) return this.fail(message, end)
    this.at = end
    this.complete(value)
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
    return plain && content.length <= COPIED && !hasControl(content) ? content : unescaped(content)
  }

  private badString(from: number): undefined {
    const { message, offset } = malformed(this.text, from)
    this.fail(message, offset)
  }

  private string(): undefined {
    const { plain, quote } = this.extent(SHORT)
    if (quote - this.at > SHORT || quote >= this.text.length) {
      this.at++
      this.long = new LongText(this.end, plain && quote < this.text.length ? quote : null)
      this.state = "text"
      return
    }
    const value = this.content(quote, plain)
    if (value === undefined) return this.badString(this.at + 1)
    if (!plain) this.lookForNul(value, this.frame?.list?.length ?? this.key, this.end)
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
    const long = this.long
    if (long === undefined) return
    this.at = long.read(this.text, this.at)
    if (long.isMalformed) return this.badString(this.at)
    if (long.value === undefined) return
    this.long = undefined
    if (!long.isPlain) this.lookForNul(long.value, this.frame?.list?.length ?? this.key, long.begin - 1)
    this.took(long.value)
  }
}

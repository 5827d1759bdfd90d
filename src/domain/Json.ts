/**
 * JSON text -> value, as a strict reader takes it: integers beyond 2^53 keep all their digits, a member given twice is
 * noticed, a fault has its place, and what stood before the fault is still known.
 */

export type JsonValue = string | number | bigint | boolean | null | JsonFloat | ReadonlyArray<JsonValue> | JsonObject
export interface JsonObject {
  readonly [key: string]: JsonValue
}

/** A whole number that was written with a fraction or an exponent, such as `1.0`: no integer to a strict reader. */
export class JsonFloat {
  readonly _tag = "JsonFloat"
  readonly value: number
  constructor(value: number) {
    this.value = value
  }
}

const isList = (value: JsonValue): value is ReadonlyArray<JsonValue> => Array.isArray(value)

/** A container's member; undefined when there is none, or the value is no container. */
export const child = (value: JsonValue | undefined, key: string | number): JsonValue | undefined => {
  if (typeof value !== "object" || value === null || value instanceof JsonFloat) return undefined
  if (isList(value)) return value[Number(key)]
  return Object.hasOwn(value, key) ? value[key] : undefined
}

/** What a value is, in the words of error texts. The value itself may be a secret and is not shown. */
export const kindOf = (value: unknown): string => {
  if (value === null || value === undefined) return "null"
  if (Array.isArray(value)) return "sequence"
  if (value instanceof JsonFloat) return "floating point"
  switch (typeof value) {
    case "number":
      return Number.isInteger(value) ? "integer" : "floating point"
    case "bigint":
      return "integer"
    case "object":
      return "map"
    default:
      return typeof value
  }
}

export interface JsonFault {
  readonly message: string
  /** UTF-16 offset into the text. */
  readonly offset: number
}

/** A member given more than once; the value holds the last one. */
export interface JsonDuplicate {
  readonly object: JsonObject
  readonly key: string
  /** Where the second key begins. */
  readonly offset: number
}

export interface JsonRead {
  /** With a fault: what was complete before it, in containers that are listed as `open`. Absent when nothing was. */
  readonly value: JsonValue | undefined
  readonly fault: JsonFault | null
  /** Containers that the fault left unfinished: their missing members are not missing yet. */
  readonly open: ReadonlySet<JsonValue>
  readonly duplicates: ReadonlyArray<JsonDuplicate>
  /** Offset behind the value. */
  readonly end: number
}

/** Where the parts of a document are; only asked for when it is wrong. */
export interface JsonPlaces {
  /** Where a value begins, by its container and key; the root's container is null. */
  readonly member: (container: JsonValue | null, key: string | number) => number | undefined
  /** Where a container ends: its missing members are noticed there. */
  readonly end: (container: JsonValue) => number | undefined
}

/** 1-based line and column. */
export const position = (text: string, offset: number): { readonly line: number; readonly column: number } => {
  const before = text.slice(0, offset)
  const lastBreak = before.lastIndexOf("\n")
  let line = 1
  for (let at = before.indexOf("\n"); at >= 0; at = before.indexOf("\n", at + 1)) line++
  return { line, column: offset - lastBreak }
}

const ESCAPES: Readonly<Record<string, string>> = {
  '"': '"',
  "\\": "\\",
  "/": "/",
  b: "\b",
  f: "\f",
  n: "\n",
  r: "\r",
  t: "\t"
}

const NUMBER = /-?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?/y
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what JSON forbids in a string
const CONTROL = /[\u0000-\u001f]/
const MAX_DEPTH = 127

class Reader {
  private at = 0
  private depth = 0
  private readonly text: string
  private readonly opened: Array<JsonValue> = []
  private nextBackslash = -2
  root: JsonValue | undefined = undefined
  fault: JsonFault | null = null
  readonly duplicates: Array<JsonDuplicate> = []
  readonly members: Map<JsonValue | null, Map<string | number, number>> | null
  readonly ends: Map<JsonValue, number> | null

  constructor(text: string, places: boolean) {
    this.text = text
    this.members = places ? new Map() : null
    this.ends = places ? new Map() : null
  }

  read(): void {
    this.space()
    if (this.at >= this.text.length) {
      this.fault = { message: "EOF while parsing a value", offset: this.at }
      return
    }
    this.note(null, "")
    const value = this.value()
    if (this.fault === null) this.root = value
    else this.root = this.opened[0]
  }

  get end(): number {
    return this.at
  }
  get open(): ReadonlySet<JsonValue> {
    return new Set(this.opened)
  }

  /** The first fault stays; every caller returns at once when there is one. */
  private fail(message: string, offset = this.at): undefined {
    const ended = offset >= this.text.length && !message.startsWith("EOF")
    this.fault ??= { message: ended ? "EOF while parsing a value" : message, offset }
    return undefined
  }

  private note(container: JsonValue | null, key: string | number): void {
    if (this.members === null) return
    const known = this.members.get(container)
    if (known === undefined) this.members.set(container, new Map([[key, this.at]]))
    else known.set(key, this.at)
  }

  private space(): void {
    for (;;) {
      const code = this.text.charCodeAt(this.at)
      if (code !== 0x20 && code !== 0x0a && code !== 0x0d && code !== 0x09) return
      this.at++
    }
  }

  private value(): JsonValue | undefined {
    switch (this.text.charCodeAt(this.at)) {
      case 0x22:
        return this.string()
      case 0x7b:
        return this.object()
      case 0x5b:
        return this.array()
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

  private word(word: string, value: JsonValue): JsonValue | undefined {
    if (!this.text.startsWith(word, this.at)) {
      let same = 0
      while (same < word.length && this.text[this.at + same] === word[same]) same++
      return this.fail("expected ident", this.at + same)
    }
    this.at += word.length
    return value
  }

  private number(): JsonValue | undefined {
    NUMBER.lastIndex = this.at
    const match = NUMBER.exec(this.text)
    if (match === null) {
      return this.fail(this.text[this.at] === "-" ? "invalid number" : "expected value")
    }
    const digits = match[0]
    const next = this.text.charCodeAt(this.at + digits.length)
    // A digit, a point or an exponent that the grammar did not take: 01, 1., 1e
    if ((next >= 0x30 && next <= 0x39) || next === 0x2e || next === 0x65 || next === 0x45) {
      return this.fail("invalid number", this.at + digits.length)
    }
    const start = this.at
    this.at += digits.length
    const number = Number(digits)
    if (match[1] === undefined && match[2] === undefined) return Number.isSafeInteger(number) ? number : BigInt(digits)
    if (!Number.isFinite(number)) return this.fail("number out of range", start)
    return Number.isInteger(number) ? new JsonFloat(number) : number
  }

  private string(): string | undefined {
    const start = this.at + 1
    const quote = this.text.indexOf('"', start)
    if (quote < 0) return this.fail("EOF while parsing a string", this.text.length)
    if (this.nextBackslash < start && this.nextBackslash !== -1) this.nextBackslash = this.text.indexOf("\\", start)
    if (this.nextBackslash < 0 || this.nextBackslash > quote) {
      const plain = this.text.slice(start, quote)
      if (CONTROL.test(plain)) return this.control(start, quote)
      this.at = quote + 1
      return plain
    }
    return this.escaped(start)
  }

  private control(from: number, to: number): undefined {
    const offset = from + this.text.slice(from, to).search(CONTROL)
    return this.fail("control character (\\u0000-\\u001F) found while parsing a string", offset)
  }

  private escaped(start: number): string | undefined {
    let from = start
    let result = ""
    for (;;) {
      const quote = this.text.indexOf('"', from)
      if (quote < 0) return this.fail("EOF while parsing a string", this.text.length)
      if (this.nextBackslash < from && this.nextBackslash !== -1) this.nextBackslash = this.text.indexOf("\\", from)
      const backslash = this.nextBackslash
      const to = backslash < 0 || backslash > quote ? quote : backslash
      const part = this.text.slice(from, to)
      if (CONTROL.test(part)) return this.control(from, to)
      result += part
      if (to === quote) {
        this.at = quote + 1
        return result.isWellFormed() ? result : this.fail("lone leading surrogate in hex escape", start)
      }
      const letter = this.text[backslash + 1]
      if (letter === "u") {
        const hex = this.text.slice(backslash + 2, backslash + 6)
        if (!/^[0-9a-fA-F]{4}$/.test(hex)) return this.fail("invalid escape", backslash + 1)
        result += String.fromCharCode(Number.parseInt(hex, 16))
        from = backslash + 6
      } else {
        const character = letter === undefined ? undefined : ESCAPES[letter]
        if (character === undefined) return this.fail("invalid escape", backslash + 1)
        result += character
        from = backslash + 2
      }
    }
  }

  private enter(container: JsonValue): boolean {
    this.opened.push(container)
    if (++this.depth <= MAX_DEPTH) return true
    this.fail("recursion limit exceeded")
    return false
  }

  private leave<A extends JsonValue>(container: A): A {
    this.at++
    this.depth--
    this.opened.pop()
    this.ends?.set(container, this.at)
    return container
  }

  private array(): JsonValue | undefined {
    const result: Array<JsonValue> = []
    if (!this.enter(result)) return undefined
    this.at++
    this.space()
    if (this.text.charCodeAt(this.at) === 0x5d) return this.leave(result)
    for (;;) {
      this.note(result, result.length)
      const opened = this.opened.length
      const value = this.value()
      if (value === undefined) {
        const unfinished = this.opened[opened]
        if (unfinished !== undefined) result.push(unfinished)
        return undefined
      }
      result.push(value)
      this.space()
      const code = this.text.charCodeAt(this.at)
      if (code === 0x5d) return this.leave(result)
      if (code !== 0x2c) return this.fail(Number.isNaN(code) ? "EOF while parsing a list" : "expected `,` or `]`")
      this.at++
      this.space()
      if (this.text.charCodeAt(this.at) === 0x5d) return this.fail("trailing comma")
    }
  }

  private object(): JsonValue | undefined {
    const result: Record<string, JsonValue> = {}
    if (!this.enter(result)) return undefined
    this.at++
    this.space()
    if (this.text.charCodeAt(this.at) === 0x7d) return this.leave(result)
    for (;;) {
      const code = this.text.charCodeAt(this.at)
      if (code !== 0x22) {
        return this.fail(
          Number.isNaN(code) ? "EOF while parsing an object" : code === 0x7d ? "trailing comma" : "key must be a string"
        )
      }
      const keyAt = this.at
      const key = this.string()
      if (key === undefined) return undefined
      this.space()
      const colon = this.text.charCodeAt(this.at)
      if (colon !== 0x3a) return this.fail(Number.isNaN(colon) ? "EOF while parsing an object" : "expected `:`")
      this.at++
      this.space()
      if (Object.hasOwn(result, key)) this.duplicates.push({ object: result, key, offset: keyAt })
      this.note(result, key)
      const opened = this.opened.length
      const value = this.value()
      const known = value === undefined ? this.opened[opened] : value
      if (known !== undefined) set(result, key, known)
      if (value === undefined) return undefined
      this.space()
      const next = this.text.charCodeAt(this.at)
      if (next === 0x7d) return this.leave(result)
      if (next !== 0x2c) return this.fail(Number.isNaN(next) ? "EOF while parsing an object" : "expected `,` or `}`")
      this.at++
      this.space()
    }
  }
}

const set = (object: Record<string, JsonValue>, key: string, value: JsonValue): void => {
  if (key !== "__proto__") object[key] = value
  else Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true })
}

const result = (reader: Reader): JsonRead => ({
  value: reader.root,
  fault: reader.fault,
  open: reader.open,
  duplicates: reader.duplicates,
  end: reader.end
})

/** Reads one value; what follows it is not looked at. */
export const read = (text: string): JsonRead => {
  const reader = new Reader(text, false)
  reader.read()
  return result(reader)
}

/** As `read`, with the places of everything: several times slower. */
export const readWithPlaces = (text: string): JsonRead & { readonly places: JsonPlaces } => {
  const reader = new Reader(text, true)
  reader.read()
  return {
    ...result(reader),
    places: {
      member: (container, key) => reader.members?.get(container)?.get(key),
      end: (container) => reader.ends?.get(container)
    }
  }
}

/** The first thing after the value that is not white space, as a fault: files have one value and nothing else. */
export const trailing = (text: string, end: number): JsonFault | null => {
  const rest = /[^ \t\r\n]/g
  rest.lastIndex = end
  const match = rest.exec(text)
  return match === null ? null : { message: "trailing characters", offset: match.index }
}

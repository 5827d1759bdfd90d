/** A number of a JSON text: what it is, and where it ends. */
import { JsonFloat, type JsonValue } from "../JsonValue.ts"

/** Characters of a number. What it costs grows faster than its length; a double is written out in 1075 at most. */
const MAX_NUMBER = 1100

/** `end`: behind the number, or the place of the fault that `message` tells when there is no value. */
export interface ReadNumber {
  readonly end: number
  readonly message: string
  readonly value: JsonValue | undefined
}

const isDigit = (code: number): boolean => code >= 0x30 && code <= 0x39
/** `e` and `E` */
const isExponent = (code: number): boolean => (code | 0x20) === 0x65

const failed = (message: string, end: number): ReadNumber => ({ end, message, value: undefined })

const asInteger = (number: number, written: string): JsonValue =>
  Number.isSafeInteger(number) ? number : BigInt(written)

const asFloat = (number: number): JsonValue => (Number.isInteger(number) ? new JsonFloat(number) : number)

/** Behind the digits that begin at `from`, of a number that begins at `start`. */
const digits = (text: string, start: number, from: number): number => {
  let at = from
  while (isDigit(text.charCodeAt(at)) && at - start <= MAX_NUMBER) at++
  return at
}

/** Integers keep all their digits, as a number or a bigint; a whole number that was written with a point stays a float. */
export const readNumber = (text: string, start: number): ReadNumber => {
  let at = start
  if (text.charCodeAt(at) === 0x2d) at++
  const first = text.charCodeAt(at)
  if (!isDigit(first)) return failed(at > start ? "invalid number" : "expected value", start)
  at = first === 0x30 ? at + 1 : digits(text, start, at)
  const whole = at
  if (text.charCodeAt(at) === 0x2e && isDigit(text.charCodeAt(at + 1))) at = digits(text, start, at + 1)
  if (isExponent(text.charCodeAt(at))) {
    const sign = text.charCodeAt(at + 1)
    const exponent = sign === 0x2b || sign === 0x2d ? at + 2 : at + 1
    if (isDigit(text.charCodeAt(exponent))) at = digits(text, start, exponent)
  }
  if (at - start > MAX_NUMBER) return failed(`number of more than ${MAX_NUMBER} characters`, start)
  const next = text.charCodeAt(at)
  // A digit, a point or an exponent that the grammar did not take: 01, 1., 1e
  if (isDigit(next) || next === 0x2e || isExponent(next)) return failed("invalid number", at)
  const written = text.slice(start, at)
  const number = Number(written)
  if (at > whole && !Number.isFinite(number)) return failed("number out of range", start)
  const value = at === whole ? asInteger(number, written) : asFloat(number)
  return { end: at, message: "", value }
}

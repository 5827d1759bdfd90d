/**
 * Strings of JSON: where they end, what they stand for, what is wrong with them.
 */
import type { JsonFault } from "./JsonRead.ts"

const QUOTE = 0x22
const BACKSLASH = 0x5c
const ESCAPES = '"\\/bfnrtu'
const CONTROL_FOUND = "control character (\\u0000-\\u001F) found while parsing a string"
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what JSON forbids in a string
const CONTROL = /[\u0000-\u001f]/

/** The text's length when there is none. */
export const indexOf = (text: string, what: string, from: number): number => {
  const found = text.indexOf(what, from)
  return found < 0 ? text.length : found
}

export const hasControl = (text: string): boolean => CONTROL.test(text)

/** Characters that an escape takes with its backslash, as far as they matter for where the string ends. */
const escapeLength = (text: string, at: number): number => (text[at + 1] === "u" ? 6 : 2)

/** The quote that ends a string with escapes; what is beyond `most` characters, or the text, when there is none. */
export const closing = (text: string, start: number, most: number): number => {
  const until = Math.min(text.length, start + most)
  let at = start
  while (at < until) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) return at
    at += code === BACKSLASH ? 2 : 1
  }
  return at < text.length ? start + most + 1 : text.length
}

/** Of what is between the quotes; undefined when it is malformed. The platform's parser takes all escapes in one pass. */
export const unescaped = (content: string): string | undefined => {
  try {
    return String(JSON.parse(`"${content}"`))
  } catch {
    return undefined
  }
}

export interface Piece {
  /** Undefined when it is malformed, or the text ends before the string does. */
  readonly value: string | undefined
  /** Where the next one begins, or behind the quote. */
  readonly end: number
  readonly isLast: boolean
}

/** About so many characters of a string, up to its end. A piece ends in no escape. */
export const piece = (text: string, start: number, most: number): Piece => {
  const until = Math.min(text.length, start + most)
  let at = start
  while (at < until) {
    const code = text.charCodeAt(at)
    if (code === QUOTE) return { value: unescaped(text.slice(start, at)), end: at + 1, isLast: true }
    at += code === BACKSLASH ? escapeLength(text, at) : 1
  }
  if (at >= text.length) return { value: undefined, end: at, isLast: true }
  return { value: unescaped(text.slice(start, at)), end: at, isLast: false }
}

const isHex = (character: string): boolean => /^[0-9a-fA-F]$/.test(character)

/** What is wrong first with a string whose content begins at `start`. */
export const malformed = (text: string, start: number): JsonFault => {
  const ended = { message: "EOF while parsing a string", offset: text.length }
  for (let at = start; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code < 0x20) return { message: CONTROL_FOUND, offset: at }
    if (code !== BACKSLASH) continue
    const letter = text[++at]
    if (letter === undefined) return ended
    if (!ESCAPES.includes(letter)) return { message: "invalid escape", offset: at }
    if (letter !== "u") continue
    for (let digit = 1; digit <= 4; digit++) {
      const hex = text[at + digit]
      if (hex === undefined) return ended
      if (!isHex(hex)) return { message: "invalid escape", offset: at }
    }
    at += 4
  }
  return ended
}

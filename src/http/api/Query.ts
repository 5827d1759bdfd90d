/**
 * Query parameters as data: what the router decodes, the client encodes and the OpenAPI document prints.
 *
 * Decoding is form style: `+` is a space, `%XX` a byte, bad UTF-8 is replaced. Unknown names are ignored, a known one
 * given twice is an error. The error texts are those of `serde`.
 */
import * as Result from "effect/Result"
import { excerpt } from "../../domain/json/Excerpt.ts"

export interface Param<A> {
  /** JSON Schema of the value, for the OpenAPI document. */
  readonly schema: Readonly<Record<string, string | ReadonlyArray<string>>>
  readonly parse: (text: string) => Result.Result<A, string>
  /** The value when the parameter is absent; a parameter without it is required. */
  readonly absent?: { readonly value: A }
}

type Value = string | number | boolean | null
export type Params = Readonly<Record<string, Param<Value>>>
export type QueryOf<P extends Params> = { readonly [Name in keyof P]: P[Name] extends Param<infer A> ? A : never }

export const text: Param<string> = { schema: { type: "string" }, parse: Result.succeed }

export const oneOf = <const A extends string>(...values: ReadonlyArray<A>): Param<A> => ({
  schema: { type: "string", enum: values },
  parse: (given) => {
    const value = values.find((candidate) => candidate === given)
    if (value !== undefined) return Result.succeed(value)
    const names = values.map((name) => `\`${name}\``)
    const expected = names.length === 2 ? names.join(" or ") : `one of ${names.join(", ")}`
    return Result.fail(`unknown variant \`${excerpt(given)}\`, expected ${expected}`)
  }
})

export const bool: Param<boolean> = {
  schema: { type: "boolean" },
  parse: (given) =>
    given === "true" || given === "false"
      ? Result.succeed(given === "true")
      : Result.fail("provided string was not `true` or `false`")
}

/** A whole number from 0 on, as far as a double holds it exactly. */
export const natural: Param<number> = {
  schema: { type: "integer", minimum: "0" },
  parse: (given) => {
    const value = Number(given)
    return /^\d+$/.test(given) && Number.isSafeInteger(value)
      ? Result.succeed(value)
      : Result.fail("invalid digit found in string")
  }
}

/** `absent` is a type argument of its own, so that an optional parameter may be `null`. */
export const withDefault = <A extends string | number | boolean, B extends A | null>(
  param: Param<A>,
  value: B
): Param<A | B> => ({
  ...param,
  absent: { value }
})

const HEX = /^[0-9a-fA-F]{2}$/

/** Percent decoding to bytes; a `%` without two hex digits stands for itself. */
export const percentBytes = (given: string): Uint8Array => {
  const source = new TextEncoder().encode(given)
  const bytes = new Uint8Array(source.length)
  let length = 0
  for (let at = 0; at < source.length; at++) {
    const digits = source[at] === 0x25 ? String.fromCharCode(source[at + 1] ?? 0, source[at + 2] ?? 0) : ""
    if (HEX.test(digits)) {
      bytes[length++] = Number.parseInt(digits, 16)
      at += 2
    } else {
      bytes[length++] = source[at] ?? 0
    }
  }
  return bytes.subarray(0, length)
}

const formDecoder = new TextDecoder("utf-8", { ignoreBOM: true })

const formText = (given: string): string => {
  const spaced = given.replaceAll("+", " ")
  return spaced.includes("%") ? formDecoder.decode(percentBytes(spaced)) : spaced
}

const decodeAll = <P extends Params>(params: P, query: string): Result.Result<QueryOf<P>, string> => {
  const values = new Map<string, Value>()
  for (const pair of query.split("&")) {
    if (pair === "") continue
    const equals = pair.indexOf("=")
    const name = formText(equals < 0 ? pair : pair.slice(0, equals))
    const param = Object.hasOwn(params, name) ? params[name] : undefined
    if (param === undefined) continue
    if (values.has(name)) return Result.fail(`duplicate field \`${name}\``)
    const value = param.parse(equals < 0 ? "" : formText(pair.slice(equals + 1)))
    if (Result.isFailure(value)) return Result.fail(`${name}: ${value.failure}`)
    values.set(name, value.success)
  }
  for (const [name, param] of Object.entries(params)) {
    if (values.has(name)) continue
    if (param.absent === undefined) return Result.fail(`missing field \`${name}\``)
    values.set(name, param.absent.value)
  }
  // Every name of `params` has been given a value of its own parser above.
  return Result.succeed(Object.fromEntries(values) as QueryOf<P>)
}

/** How an endpoint reads its query. */
export interface Query<A> {
  readonly params: Params
  /** The part of the URI behind `?`; absent when there is no `?`. */
  readonly decode: (query: string | undefined) => Result.Result<A, string>
}

/** A URI without `?` has no parameters. */
export const query = <P extends Params>(params: P): Query<QueryOf<P>> => ({
  params,
  decode: (given) => decodeAll(params, given ?? "")
})

/** A URI without `?` has no query at all, which is `null`; one with `?` is decoded in full. */
export const optionalQuery = <P extends Params>(params: P): Query<QueryOf<P> | null> => ({
  params,
  decode: (given) => (given === undefined ? Result.succeed(null) : decodeAll(params, given))
})

/** The part of a URI behind `?`, for a client. Values of `null` are left out. */
export const encode = (values: Readonly<Record<string, Value>>): string =>
  Object.entries(values)
    .flatMap(([name, value]) =>
      value === null ? [] : [`${encodeURIComponent(name)}=${encodeURIComponent(String(value))}`]
    )
    .join("&")

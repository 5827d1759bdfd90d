/**
 * Query and path of a request, decoded as the original does it and with its refusals.
 *
 * Decoding is form style: `+` is a space, `%XX` a byte, bad UTF-8 is replaced. Unknown names are ignored, a known one
 * given twice is an error. The error texts are those of `serde`.
 */
import * as Context from "effect/Context"
import type * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as Result from "effect/Result"
import * as AST from "effect/SchemaAST"
import { excerpt } from "../../../domain/json/Excerpt.ts"
import { OneOf } from "../../api/traits.ts"
import { nameAt } from "../table.ts"
import { Rejection } from "./Rejection.ts"

const HEX = /^[0-9a-fA-F]{2}$/

/** Percent decoding to bytes; a `%` without two hex digits stands for itself. */
const percentBytes = (given: string): Uint8Array => {
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

const formText = (given: string): string => {
  const spaced = given.replaceAll("+", " ")
  return spaced.includes("%") ? new TextDecoder("utf-8", { ignoreBOM: true }).decode(percentBytes(spaced)) : spaced
}

const variants = (ast: AST.Union): ReadonlyArray<string> =>
  ast.types.flatMap((type) => (AST.isLiteral(type) ? [String(type.literal)] : []))

/** Why a text is no value of this type; null when it is one. */
const faultOf = (ast: AST.AST, given: string): string | null => {
  if (AST.isBoolean(ast))
    return given === "true" || given === "false" ? null : "provided string was not `true` or `false`"
  if (AST.isNumber(ast)) {
    return /^\d+$/.test(given) && Number.isSafeInteger(Number(given)) ? null : "invalid digit found in string"
  }
  if (!AST.isUnion(ast) || variants(ast).includes(given)) return null
  const names = variants(ast).map((name) => `\`${name}\``)
  const expected = names.length === 2 ? names.join(" or ") : `one of ${names.join(", ")}`
  return `unknown variant \`${excerpt(given)}\`, expected ${expected}`
}

type Query = Readonly<Record<string, string>>

const decodeQuery = (
  { annotations, query: schema }: HttpApiEndpoint.Top,
  query: string | undefined
): Result.Result<Query, string> => {
  const ast = schema === undefined ? undefined : AST.toType(schema.ast)
  const params = ast !== undefined && AST.isObjects(ast) ? ast.propertySignatures : []
  const values = new Map<string, string>()
  for (const pair of (query ?? "").split("&")) {
    if (pair === "") continue
    const equals = pair.indexOf("=")
    const name = formText(equals < 0 ? pair : pair.slice(0, equals))
    const param = params.find((known) => known.name === name)
    if (param === undefined) continue
    if (values.has(name)) return Result.fail(`duplicate field \`${name}\``)
    const value = equals < 0 ? "" : formText(pair.slice(equals + 1))
    const fault = faultOf(param.type, value)
    if (fault !== null) return Result.fail(`${name}: ${fault}`)
    values.set(name, value)
  }
  const missing = params.find(({ name, type }) => !AST.isOptional(type) && !values.has(String(name)))
  if (missing !== undefined) return Result.fail(`missing field \`${String(missing.name)}\``)
  const oneOf = Context.get(annotations, OneOf)
  if (query !== undefined && oneOf.length > 0 && !oneOf.some((name) => values.has(name))) {
    return Result.fail(`missing field \`${oneOf[0]}\``)
  }
  return Result.succeed(Object.fromEntries(values))
}

export const queryOf = (endpoint: HttpApiEndpoint.Top, url: string): Result.Result<Query, Rejection> => {
  const mark = url.indexOf("?")
  return Result.mapError(
    decodeQuery(endpoint, mark < 0 ? undefined : url.slice(mark + 1)),
    (fault) => new Rejection({ status: 400, text: `Failed to deserialize query string: ${fault}` })
  )
}

/** What stands at the name of the endpoint's path: all the rest. */
export const paramsOf = ({ path: template }: HttpApiEndpoint.Top, url: string): Result.Result<Query, Rejection> => {
  const at = nameAt(template)
  if (at < 0) return Result.succeed({})
  const name = template.slice(at + 1)
  const [path = ""] = url.split("?", 1)
  try {
    const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })
    return Result.succeed({ [name]: utf8.decode(percentBytes(path.slice(at))) })
  } catch {
    return Result.fail(new Rejection({ status: 400, text: `Invalid URL: Invalid UTF-8 in \`${name}\`` }))
  }
}

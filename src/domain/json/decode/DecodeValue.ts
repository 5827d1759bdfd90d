/**
 * A JSON value -> a value of a schema, in steps where the document is large: a spec of 40 MB would keep everybody waiting
 * for seconds. Only a struct, a list or a map by itself can be taken apart; what has a rule of its own is decoded in one go.
 */

import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as AST from "effect/SchemaAST"
import type * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaParser from "effect/SchemaParser"
import { child, isList, isObject, type JsonObject, type JsonValue } from "../JsonValue.ts"
import type { Steps } from "../Steps.ts"
import { members } from "./DecodeFaults.ts"

export type Decoded = Result.Result<unknown, SchemaIssue.Issue>

const compiled = new WeakMap<AST.AST, (input: unknown) => Decoded>()

/** In one go. Compiled at the first use: a schema that never meets a document costs nothing. */
export const decode = (ast: AST.AST, value: unknown): Decoded => {
  const known = compiled.get(ast)
  if (known !== undefined) return known(value)
  const made = SchemaParser.decodeUnknownResult(Schema.make<Schema.Codec<unknown>>(ast), { reportInput: true })
  compiled.set(ast, made)
  return made(value)
}

/** What a value is read by, before anything is done with what it is. */
export const source = (ast: AST.AST): AST.AST => {
  const link = ast.encoding?.at(-1)
  return link === undefined ? ast : source(link.to)
}

/** Whether only what is absent is filled in behind the reading: a value that is there stays as it was read. */
export const passes = (ast: AST.AST): boolean =>
  (ast.encoding ?? []).every(
    ({ to, transformation }) =>
      transformation._tag === "Transformation" &&
      (transformation.decode._tag === "Passthrough" || transformation.decode._tag === "TransformOptionalEffect") &&
      passes(to)
  )

/** The schema of a value that is there: what stands beside `null`, if it is only one. */
const present = (whole: AST.AST): AST.AST => {
  if (!passes(whole)) return whole
  const ast = source(whole)
  if (!AST.isUnion(ast)) return ast
  const [only, ...others] = members(ast)
  return only === undefined || others.length > 0 ? ast : only
}

const isBare = (ast: AST.AST): boolean => ast.encoding === undefined && ast.checks === undefined

/** How a struct's members are read, where nothing but absent ones is filled in behind them. */
const structOf = (ast: AST.AST): AST.Objects | null =>
  AST.isObjects(ast) && isBare(ast) && ast.indexSignatures.length === 0 ? ast : null

const elementOf = (ast: AST.AST): AST.AST | null =>
  AST.isArrays(ast) && isBare(ast) && ast.elements.length === 0 && ast.rest.length === 1 ? (ast.rest[0] ?? null) : null

const valueOf = (ast: AST.AST): AST.AST | null => {
  if (!AST.isObjects(ast) || !isBare(ast) || ast.propertySignatures.length > 0) return null
  const [signature, ...others] = ast.indexSignatures
  return signature !== undefined && others.length === 0 && AST.isString(signature.parameter) ? signature.type : null
}

/** A list or a map that was taken out of a struct. */
interface Part {
  readonly keys: ReadonlyArray<string>
  readonly ast: AST.AST
  readonly value: JsonValue
}

/** The struct without its large lists and maps, which are put into `parts`. */
const skeleton = (
  struct: AST.Objects,
  value: JsonObject,
  large: Large,
  keys: ReadonlyArray<string>,
  parts: Array<Part>
): JsonObject => {
  const rest: Record<string, JsonValue> = {}
  for (const { name, type } of struct.propertySignatures) {
    const key = String(name)
    const member = child(value, key)
    if (member === undefined) continue
    const ast = present(type)
    const inner = structOf(ast)
    const isPart = large.has(member) && ((isList(member) && elementOf(ast)) || (isObject(member) && valueOf(ast)))
    if (isPart) parts.push({ keys: [...keys, key], ast, value: member })
    rest[key] = isPart
      ? isList(member)
        ? []
        : {}
      : inner !== null && isObject(member) && large.has(member)
        ? skeleton(inner, member, large, [...keys, key], parts)
        : member
  }
  return rest
}

const put = (into: unknown, [key, ...below]: ReadonlyArray<string>, value: unknown): unknown =>
  key === undefined ? value : { ...Object(into), [key]: put(Object(into)[key], below, value) }

type Large = ReadonlySet<JsonValue>
/** Elements or members between two pauses. */
const STEP = 200

function* listSteps(ast: AST.AST, values: ReadonlyArray<JsonValue>, large: Large): Steps<Decoded> {
  const result: Array<unknown> = []
  for (const value of values) {
    const decoded = large.has(value) ? yield* valueSteps(ast, value, large) : decode(ast, value)
    if (Result.isFailure(decoded)) return decoded
    if (result.push(decoded.success) % STEP === 0) yield
  }
  return Result.succeed(result)
}

function* mapSteps(ast: AST.AST, values: JsonObject, large: Large): Steps<Decoded> {
  const result: Array<readonly [string, unknown]> = []
  for (const [key, value] of Object.entries(values)) {
    const decoded = large.has(value) ? yield* valueSteps(ast, value, large) : decode(ast, value)
    if (Result.isFailure(decoded)) return decoded
    if (result.push([key, decoded.success]) % STEP === 0) yield
  }
  return Result.succeed(Object.fromEntries(result))
}

/** `large`: the containers that are worth taking apart. The issue of a failure is that of the part that failed. */
export function* valueSteps(ast: AST.AST, value: JsonValue | undefined, large: Large): Steps<Decoded> {
  if (value === undefined || !large.has(value)) return decode(ast, value)
  const inner = present(ast)
  const element = elementOf(inner)
  if (element !== null && isList(value)) return yield* listSteps(element, value, large)
  const member = valueOf(inner)
  if (member !== null && isObject(value)) return yield* mapSteps(member, value, large)
  const struct = structOf(inner)
  if (struct === null || !isObject(value)) return decode(ast, value)
  const parts: Array<Part> = []
  let decoded = decode(inner, skeleton(struct, value, large, [], parts))
  for (const part of parts) {
    if (Result.isFailure(decoded)) return decoded
    const whole = decoded.success
    decoded = Result.map(yield* valueSteps(part.ast, part.value, large), (found) => put(whole, part.keys, found))
  }
  return decoded
}

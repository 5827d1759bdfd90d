/**
 * What is wrong with a JSON value, in the order in which a reader meets it; no further than is asked for. A document with a
 * million wrong members has one error that is told, and is not gone through for the others.
 */
import * as Result from "effect/Result"
import * as AST from "effect/SchemaAST"
import { excerpt } from "../Excerpt.ts"
import { isObject, JsonFloat, type JsonObject, type JsonValue } from "../JsonValue.ts"
import type { JsonDuplicate, JsonRead } from "../read/JsonRead.ts"
import type { Steps } from "../Steps.ts"
import { members, type ShapeFault, shapeFault } from "./DecodeFaults.ts"
import { decode, passes, source } from "./DecodeValue.ts"

/** A member of a struct that came again. */
export interface Repeated {
  readonly keys: ReadonlyArray<string | number>
  readonly reason: string
  readonly offset: number
}

export interface Searched {
  readonly shapes: ReadonlyArray<ShapeFault>
  readonly repeated: ReadonlyArray<Repeated>
}

type Keys = ReadonlyArray<string | number>

/** Values between two pauses. */
const STEP = 100

/** How the members of a value are read, behind whatever is done with them afterwards. */
const containerOf = (whole: AST.AST): AST.Objects | AST.Arrays | null => {
  const ast = source(whole)
  switch (ast._tag) {
    case "Objects":
    case "Arrays":
      return ast
    case "Suspend":
      return containerOf(ast.thunk())
    case "Union": {
      const [only, ...others] = members(ast)
      return only === undefined || others.length > 0 ? null : containerOf(only)
    }
    default:
      return null
  }
}

const isStruct = (ast: AST.AST | null): boolean => ast !== null && AST.isObjects(ast)

/** Whether a container is right when all that is in it is. */
const isPlain = (whole: AST.AST): boolean => {
  if (!passes(whole)) return false
  const ast = source(whole)
  switch (ast._tag) {
    case "Objects":
    case "Arrays":
      return ast.checks === undefined
    case "Suspend":
      return isPlain(ast.thunk())
    case "Union":
      return members(ast).every(isPlain)
    default:
      return false
  }
}

const byObject = (duplicates: ReadonlyArray<JsonDuplicate>): ReadonlyMap<JsonValue, ReadonlyMap<string, number>> => {
  const found = new Map<JsonValue, Map<string, number>>()
  for (const { key, object, offset } of duplicates) {
    const known = found.get(object) ?? new Map<string, number>()
    if (!known.has(key)) known.set(key, offset)
    found.set(object, known)
  }
  return found
}

/** Stands for any number with a fraction. */
const FRACTION = 0.5

class Search {
  readonly shapes: Array<ShapeFault> = []
  readonly repeated: Array<Repeated> = []
  private visited = 0
  private readonly json: JsonRead
  private readonly most: number
  private readonly duplicates: ReadonlyMap<JsonValue, ReadonlyMap<string, number>>

  constructor(json: JsonRead, most: number) {
    this.json = json
    this.most = most
    this.duplicates = byObject(json.duplicates)
  }

  private get full(): boolean {
    return this.shapes.length >= this.most
  }

  *visit(ast: AST.AST, given: JsonValue, keys: Keys): Steps<void> {
    if (++this.visited % STEP === 0) yield
    // To a schema it is an object, whose members stand nowhere in the text.
    const value = given instanceof JsonFloat && isStruct(containerOf(ast)) ? FRACTION : given
    const isContainer = typeof value === "object" && value !== null && !(value instanceof JsonFloat)
    // A container that is right need not be gone through, unless a member of it came twice.
    const goesInside = isContainer && (this.duplicates.size > 0 || this.json.large.has(value))
    if (!goesInside && Result.isSuccess(decode(ast, value))) return
    const before = this.shapes.length + this.repeated.length
    const container = isContainer ? containerOf(ast) : null
    if (container !== null) yield* this.inside(container, value, keys)
    if (this.shapes.length + this.repeated.length > before) return
    if (goesInside && isPlain(ast) && container !== null && AST.isArrays(container) === Array.isArray(value)) return
    const decoded = decode(ast, value)
    if (Result.isSuccess(decoded)) return
    const fault = shapeFault(decoded.failure, keys)
    // What is not finished is not wrong yet, unless it is another kind of thing.
    if (!isContainer || !this.json.open.has(value) || fault.mismatch) this.shapes.push(fault)
  }

  private *inside(ast: AST.Objects | AST.Arrays, value: JsonValue, keys: Keys): Steps<void> {
    if (AST.isObjects(ast)) {
      if (isObject(value)) yield* this.members(ast, value, keys)
      return
    }
    const element = ast.rest[0]
    if (element === undefined || !Array.isArray(value)) return
    for (let index = 0; index < value.length && !this.full; index++) {
      yield* this.visit(element, value[index], [...keys, index])
    }
  }

  private *members(ast: AST.Objects, value: JsonObject, keys: Keys): Steps<void> {
    const properties = new Map(ast.propertySignatures.map(({ name, type }) => [String(name), type]))
    const others = ast.indexSignatures[0]?.type
    const twice = this.duplicates.get(value)
    for (const key in value) {
      if (this.full) return
      const property = properties.get(key)
      const type = property ?? others
      const member = value[key]
      if (type === undefined || member === undefined) continue
      const offset = twice?.get(key)
      // In a free map the last one wins.
      if (property !== undefined && offset !== undefined) {
        this.repeated.push({ keys, reason: `duplicate field \`${excerpt(key)}\``, offset })
      } else {
        yield* this.visit(type, member, [...keys, key])
      }
    }
    if (this.json.open.has(value)) return
    for (const { name, type } of ast.propertySignatures) {
      if (AST.isOptional(source(type)) || this.full || Object.hasOwn(value, name)) continue
      this.shapes.push({ keys, reason: `missing field \`${String(name)}\``, missing: true, mismatch: false })
    }
  }
}

/** The first faults of a document's shape, `most` of them, and the members that came twice before those. */
export function* search(ast: AST.AST, json: JsonRead, most: number): Steps<Searched> {
  const found = new Search(json, most)
  if (json.value !== undefined) yield* found.visit(ast, json.value, [])
  return found
}

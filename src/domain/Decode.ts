/**
 * JSON text -> a value of a schema, or why not: which member, at which line and column. The first fault in reading order
 * decides, as for a reader that never looks ahead. Values are not repeated in the texts: they may be secret, or huge.
 *
 * Source: the wording is that of `serde`, which `compute_tools/src/http/extract/json.rs` passes on.
 */
import * as Either from "effect/Either"
import * as ParseResult from "effect/ParseResult"
import type * as Schema from "effect/Schema"
import { type ShapeFault, shapeFaults, structMember } from "./DecodeFaults.ts"
import { child, type JsonRead, type JsonValue, position, read, readWithPlaces, trailing } from "./Json.ts"
import { mayHoldNul, nulFaults } from "./NulText.ts"

export interface JsonRejected {
  /** `syntax`: not JSON. `shape`: JSON, but not what was asked for. */
  readonly kind: "syntax" | "shape"
  /** `spec.cluster.roles[0]`; empty for the document itself. */
  readonly path: string
  /** The path, the reason, the place. */
  readonly message: string
}

export interface DecodeOptions {
  /** Whether anything but white space may follow the value. An HTTP body is read up to its end only. */
  readonly trailing?: "ignore" | "refuse"
}

type Decoder<A> = (input: unknown) => Either.Either<A, ParseResult.ParseIssue>

const first = new WeakMap<object, Decoder<unknown>>()

/** Compiled at the first use: a schema that never meets a document costs nothing. */
const compiled = <A, I>(schema: Schema.Schema<A, I>): Decoder<A> => {
  const known = first.get(schema)
  if (known !== undefined) return known as Decoder<A>
  const decode = ParseResult.decodeUnknownEither(schema)
  first.set(schema, decode)
  return decode
}

interface Found {
  readonly kind: JsonRejected["kind"]
  readonly keys: ReadonlyArray<string | number>
  readonly reason: string
  readonly offset: number
}

/** `a.b[0].c` */
export const formatPath = (keys: ReadonlyArray<string | number>): string =>
  keys.reduce<string>(
    (path, key) => (typeof key === "number" ? `${path}[${key}]` : path === "" ? key : `${path}.${key}`),
    ""
  )

const rejected = (text: string, found: Found): JsonRejected => {
  const path = formatPath(found.keys)
  const { line, column } = position(text, found.offset)
  const reason = `${found.reason} at line ${line} column ${column}`
  return { kind: found.kind, path, message: path === "" ? reason : `${path}: ${reason}` }
}

const at = (root: JsonValue | undefined, keys: ReadonlyArray<string | number>): JsonValue | undefined =>
  keys.reduce<JsonValue | undefined>(child, root)

/** The keys that lead to every container in which a member was given twice. */
const pathsOf = (root: JsonValue, wanted: ReadonlySet<JsonValue>): Map<JsonValue, ReadonlyArray<string | number>> => {
  const paths = new Map<JsonValue, ReadonlyArray<string | number>>()
  const visit = (value: JsonValue, keys: ReadonlyArray<string | number>): void => {
    if (typeof value !== "object" || value === null) return
    if (wanted.has(value)) paths.set(value, keys)
    const numbered = Array.isArray(value)
    for (const [key, member] of Object.entries(value)) visit(member, [...keys, numbered ? Number(key) : key])
  }
  visit(root, [])
  return paths
}

/** A member of a struct must not come twice; in a free map the last one wins, and unknown members do not matter. */
const duplicateFaults = (schema: Schema.Schema.All, json: JsonRead): ReadonlyArray<Found> => {
  if (json.duplicates.length === 0 || json.value === undefined) return []
  const paths = pathsOf(json.value, new Set(json.duplicates.map((duplicate) => duplicate.object)))
  return json.duplicates.flatMap(({ key, object, offset }): ReadonlyArray<Found> => {
    const keys = paths.get(object)
    return keys !== undefined && structMember(schema.ast, keys, key)
      ? [{ kind: "shape", keys, reason: `duplicate field \`${key}\``, offset }]
      : []
  })
}

/** Everything wrong with the text, in reading order. Reads it anew, with places: the slow path. */
const faults = <A, I>(schema: Schema.Schema<A, I>, text: string, options: DecodeOptions): ReadonlyArray<Found> => {
  const json = readWithPlaces(text)
  const { places, value } = json
  const found: Array<Found> = [...duplicateFaults(schema, json)]
  const rest = json.fault ?? (options.trailing === "refuse" ? trailing(text, json.end) : null)
  if (rest !== null) found.push({ kind: "syntax", keys: [], reason: rest.message, offset: rest.offset })

  const offsetOf = (fault: ShapeFault): number | undefined => {
    const container = at(value, fault.keys)
    // A member is missing when its object ends; an unfinished object lacks nothing yet.
    if (fault.missing) {
      const end = container === undefined ? undefined : places.end(container)
      return end === undefined ? undefined : end - 1
    }
    if (container !== undefined && json.open.has(container) && !fault.mismatch) return undefined
    const last = fault.keys.at(-1)
    return last === undefined
      ? places.member(null, "")
      : places.member(at(value, fault.keys.slice(0, -1)) ?? null, last)
  }
  if (value !== undefined && mayHoldNul(text)) {
    found.push(...nulFaults(value, places).map((fault) => ({ kind: "shape" as const, ...fault })))
  }
  if (value !== undefined) {
    const decoded = ParseResult.decodeUnknownEither(schema)(value, { errors: "all" })
    for (const fault of Either.isLeft(decoded) ? shapeFaults(decoded.left) : []) {
      const offset = offsetOf(fault)
      if (offset !== undefined) found.push({ kind: "shape", keys: fault.keys, reason: fault.reason, offset })
    }
  }
  return found.sort((a, b) => a.offset - b.offset)
}

/** Every fault of the text with its path; empty when there is none. */
export const allFaults = <A, I>(
  schema: Schema.Schema<A, I>,
  text: string,
  options: DecodeOptions = { trailing: "refuse" }
): ReadonlyArray<JsonRejected> => faults(schema, text, options).map((found) => rejected(text, found))

/** Decodes a text; the first fault in reading order when it is wrong. */
export const decodeJson = <A, I>(
  schema: Schema.Schema<A, I>,
  text: string,
  options: DecodeOptions = {}
): Either.Either<A, JsonRejected> => {
  const json = read(text)
  if (json.fault === null && json.duplicates.length === 0 && !mayHoldNul(text)) {
    const decoded = compiled(schema)(json.value)
    if (Either.isRight(decoded) && (options.trailing !== "refuse" || trailing(text, json.end) === null)) {
      return Either.right(decoded.right)
    }
  }
  const fault = faults(schema, text, options)[0]
  if (fault !== undefined) return Either.left(rejected(text, fault))
  // Only members that do not matter came twice, or what looked like a NUL was none.
  return Either.mapLeft(compiled(schema)(json.value), () => ({
    kind: "shape",
    path: "",
    message: "the document does not have the expected shape"
  }))
}

/**
 * JSON text -> a value of a schema, or why not: which member, at which line and column. The first fault in reading order
 * decides, as for a reader that never looks ahead. Values are not repeated in the texts: they may be secret, or huge.
 *
 * Source: the wording is that of `serde`, which `compute_tools/src/http/extract/json.rs` passes on.
 */
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import { excerpt } from "../Excerpt.ts"
import { positionSteps, readSteps, trailing } from "../Json.ts"
import { nulFaults } from "../NulText.ts"
import { type JsonPlace, type JsonRead, newPlace } from "../read/JsonRead.ts"
import type { Source } from "../read/Source.ts"
import { run, type Steps } from "../Steps.ts"
import type { ShapeFault } from "./DecodeFaults.ts"
import { search } from "./DecodeSearch.ts"
import { valueSteps } from "./DecodeValue.ts"

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

type Keys = ReadonlyArray<string | number>

interface Found {
  readonly kind: JsonRejected["kind"]
  readonly keys: Keys
  readonly reason: string
  readonly offset: number
}

/** `a.b[0].c`; keys of free maps are the sender's, and long ones are cut. */
export const formatPath = (keys: Keys): string =>
  keys.reduce<string>(
    (path, key) =>
      typeof key === "number" ? `${path}[${key}]` : path === "" ? excerpt(key) : `${path}.${excerpt(key)}`,
    ""
  )

function* rejected(text: Source, found: Found): Steps<JsonRejected> {
  const path = formatPath(found.keys)
  const { line, column } = yield* positionSteps(text, found.offset)
  const reason = `${found.reason} at line ${line} column ${column}`
  return { kind: found.kind, path, message: path === "" ? reason : `${path}: ${reason}` }
}

const placeOf = (root: JsonPlace, keys: Keys): JsonPlace =>
  keys.reduce<JsonPlace>((place, key) => {
    const below = place.below.get(key) ?? newPlace()
    place.below.set(key, below)
    return below
  }, root)

/** Reads the text once more for the places of the faults: nothing is noted of a text that is right. */
function* located(text: Source, faults: ReadonlyArray<ShapeFault>): Steps<ReadonlyArray<Found>> {
  if (faults.length === 0) return []
  const root = newPlace()
  const places = faults.map(({ keys }) => placeOf(root, keys))
  yield* readSteps(text, root)
  return faults.flatMap(({ keys, missing, reason }, index): ReadonlyArray<Found> => {
    const place = places[index]
    // A member is missing when its object ends.
    const offset = missing ? (place?.end === undefined ? undefined : place.end - 1) : place?.begin
    return offset === undefined ? [] : [{ kind: "shape", keys, reason, offset }]
  })
}

/** What is wrong with the text, in reading order, at most so many. */
function* faultSteps(
  schema: Schema.Constraint,
  text: Source,
  json: JsonRead,
  options: DecodeOptions,
  most: number
): Steps<ReadonlyArray<Found>> {
  const { repeated, shapes } = yield* search(schema.ast, json, most)
  const rest = json.fault ?? (options.trailing === "refuse" ? trailing(text, json.end) : null)
  const found: Array<Found> = [
    ...(yield* nulFaults(json)).map((fault) => ({ kind: "shape" as const, ...fault })),
    ...repeated.map((fault) => ({ kind: "shape" as const, ...fault })),
    ...(yield* located(text, shapes)),
    ...(rest === null ? [] : [{ kind: "syntax" as const, keys: [], reason: rest.message, offset: rest.offset }])
  ]
  return found.sort((a, b) => a.offset - b.offset).slice(0, most)
}

/** Faults that are listed of one text. */
const LISTED = 100

/** As `allFaults`, step by step. */
export function* allFaultSteps(
  schema: Schema.Constraint,
  text: Source,
  options: DecodeOptions = { trailing: "refuse" }
): Steps<ReadonlyArray<JsonRejected>> {
  const all: Array<JsonRejected> = []
  for (const found of yield* faultSteps(schema, text, yield* readSteps(text), options, LISTED)) {
    all.push(yield* rejected(text, found))
  }
  return all
}

/** The faults of the text with their paths, the first hundred; empty when there is none. */
export const allFaults = <A, I>(
  schema: Schema.Codec<A, I>,
  text: Source,
  options?: DecodeOptions
): ReadonlyArray<JsonRejected> => run(allFaultSteps(schema, text, options))

/** As `decodeJson`, step by step. */
export function* decodeSteps<A, I>(
  schema: Schema.Codec<A, I>,
  text: Source,
  options: DecodeOptions = {}
): Steps<Result.Result<A, JsonRejected>> {
  const json = yield* readSteps(text)
  if (json.fault === null && json.duplicates.length === 0 && json.nuls.length === 0) {
    const decoded = yield* valueSteps(schema.ast, json.value, json.large)
    if (Result.isSuccess(decoded) && (options.trailing !== "refuse" || trailing(text, json.end) === null)) {
      return Result.succeed(decoded.success as A)
    }
  }
  const [fault] = yield* faultSteps(schema, text, json, options, 1)
  if (fault !== undefined) return Result.fail(yield* rejected(text, fault))
  // Only members that do not matter came twice.
  const decoded = yield* valueSteps(schema.ast, json.value, json.large)
  return Result.mapBoth(decoded, {
    onFailure: (): JsonRejected => ({
      kind: "shape",
      path: "",
      message: "the document does not have the expected shape"
    }),
    onSuccess: (value) => value as A
  })
}

/** Decodes a text; the first fault in reading order when it is wrong. */
export const decodeJson = <A, I>(
  schema: Schema.Codec<A, I>,
  text: Source,
  options: DecodeOptions = {}
): Result.Result<A, JsonRejected> => run(decodeSteps(schema, text, options))

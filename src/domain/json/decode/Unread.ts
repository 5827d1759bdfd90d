/**
 * Members of a document that no schema names. They are ignored, as a newer sender needs it, but a misspelt one is ignored
 * as well: whoever wrote it by hand wants to be told.
 */
import type * as Schema from "effect/Schema"
import * as SchemaAST from "effect/SchemaAST"
import { formatPath } from "./Decode.ts"
import { near } from "./near.ts"

export interface Unread {
  /** `spec.cluster.rolls` */
  readonly path: string
  /** The name that was probably meant. */
  readonly near: string | null
}

/** Members that are listed of one document. */
const LISTED = 100

type Keys = ReadonlyArray<string | number>

const resolved = (ast: SchemaAST.AST): ReadonlyArray<SchemaAST.AST> => {
  if (SchemaAST.isSuspend(ast)) return resolved(ast.thunk())
  return SchemaAST.isUnion(ast) ? ast.types.flatMap(resolved) : [ast]
}

function* ofObject(
  shapes: ReadonlyArray<SchemaAST.Objects>,
  value: object,
  keys: Keys
): Generator<Unread, void, undefined> {
  const members = shapes.flatMap(({ propertySignatures }) => propertySignatures)
  const free = shapes.flatMap(({ indexSignatures }) => indexSignatures)
  const names = members.map(({ name }) => String(name))
  for (const [name, below] of Object.entries(value)) {
    const types = [...members.filter((member) => member.name === name), ...free].map(({ type }) => type)
    if (types.length > 0) yield* walk(types, below, [...keys, name])
    else yield { path: formatPath([...keys, name]), near: near(name, names) }
  }
}

function* walk(types: ReadonlyArray<SchemaAST.AST>, value: unknown, keys: Keys): Generator<Unread, void, undefined> {
  if (typeof value !== "object" || value === null) return
  const alternatives = types.flatMap(resolved)
  if (Array.isArray(value)) {
    const elements = alternatives.filter(SchemaAST.isArrays).flatMap(({ rest }) => rest)
    for (const [index, element] of value.entries()) yield* walk(elements, element, [...keys, index])
    return
  }
  const shapes = alternatives.filter(SchemaAST.isObjects)
  // Not `{}`, nor a shape that is read by hand.
  if (
    shapes.some(({ indexSignatures, propertySignatures }) => indexSignatures.length + propertySignatures.length > 0)
  ) {
    yield* ofObject(shapes, value, keys)
  }
}

/** The first hundred, in the document's order. */
export const unread = (schema: Schema.Constraint, value: unknown): ReadonlyArray<Unread> => {
  const found: Array<Unread> = []
  for (const member of walk([SchemaAST.toEncoded(schema.ast)], value, [])) {
    found.push(member)
    if (found.length === LISTED) break
  }
  return found
}

/** The same, as faults that are to be read. */
export const ignored = (
  schema: Schema.Constraint,
  value: unknown
): ReadonlyArray<{ readonly path: string; readonly message: string }> =>
  unread(schema, value).map(({ near, path }) => ({
    path,
    message: `nobody reads this member${near === null ? "" : `; did you mean \`${near}\`?`}`
  }))

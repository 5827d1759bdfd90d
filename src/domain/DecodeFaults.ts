/**
 * The faults in a tree of schema issues, one for each member that is wrong.
 */
import type * as ParseResult from "effect/ParseResult"
import * as AST from "effect/SchemaAST"
import { kindOf } from "./Json.ts"

export interface ShapeFault {
  /** The member that is wrong; for a missing one, its container. */
  readonly keys: ReadonlyArray<string | number>
  readonly reason: string
  readonly missing: boolean
  /** The value is of another kind altogether, which shows at its first character. */
  readonly mismatch: boolean
}

const MAX_SHOWN = 64

const shortened = (text: string): string => (text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}…`)

/** `a`, `b` or one of many. */
const oneOf = (variants: ReadonlyArray<string>): string => {
  const quoted = variants.map((variant) => `\`${variant}\``)
  if (quoted.length === 1) return quoted.join("")
  return quoted.length === 2 ? quoted.join(" or ") : `one of ${quoted.join(", ")}`
}

/** The text for a name that an enumeration does not have. Names are no secrets; long ones are cut. */
export const unknownVariant = (name: string, variants: ReadonlyArray<string>): string =>
  `unknown variant \`${shortened(name)}\`, expected ${oneOf(variants)}`

export const invalidType = (actual: unknown, expected: string): string =>
  `invalid type: ${kindOf(actual)}, expected ${expected}`

const isNullish = (ast: AST.AST): boolean => (AST.isLiteral(ast) && ast.literal === null) || AST.isUndefinedKeyword(ast)

const members = (ast: AST.Union): ReadonlyArray<AST.AST> =>
  ast.types.flatMap((type) => (AST.isUnion(type) ? members(type) : isNullish(type) ? [] : [type]))

const variants = (types: ReadonlyArray<AST.AST>): ReadonlyArray<string> =>
  types.flatMap((type) => (AST.isLiteral(type) && typeof type.literal === "string" ? [type.literal] : []))

const isEnumeration = (types: ReadonlyArray<AST.AST>): boolean =>
  types.length > 0 && variants(types).length === types.length

const expectation = (ast: AST.AST): string => {
  const identifier = AST.getIdentifierAnnotation(ast)
  if (identifier._tag === "Some") return identifier.value
  switch (ast._tag) {
    case "StringKeyword":
    case "TemplateLiteral":
      return "a string"
    case "NumberKeyword":
      return "a number"
    case "BooleanKeyword":
      return "a boolean"
    case "TupleType":
      return "a sequence"
    case "TypeLiteral":
      return ast.propertySignatures.length > 0 ? "an object" : "a map"
    case "Transformation":
    case "Refinement":
      return expectation(ast.from)
    case "Suspend":
      return expectation(ast.f())
    case "Literal":
      return `\`${ast.literal}\``
    case "Union": {
      const types = members(ast)
      return isEnumeration(types) ? "a string" : types.map(expectation).join(" or ")
    }
    default:
      return "another value"
  }
}

const mismatch = (ast: AST.AST, actual: unknown): Pick<ShapeFault, "reason" | "mismatch"> => {
  const types = AST.isUnion(ast) ? members(ast) : [ast]
  return isEnumeration(types) && typeof actual === "string"
    ? { reason: unknownVariant(actual, variants(types)), mismatch: false }
    : { reason: invalidType(actual, expectation(ast)), mismatch: true }
}

/** An array or a single issue. */
const all = (issues: ParseResult.SingleOrNonEmpty<ParseResult.ParseIssue>): ReadonlyArray<ParseResult.ParseIssue> =>
  "_tag" in issues ? [issues] : issues

const key = (part: PropertyKey): string | number => (typeof part === "number" ? part : String(part))

/** All faults below an issue, in the order of the schema's members. */
export const shapeFaults = (
  issue: ParseResult.ParseIssue,
  keys: ReadonlyArray<string | number> = []
): ReadonlyArray<ShapeFault> => {
  switch (issue._tag) {
    case "Pointer": {
      const path = typeof issue.path === "object" ? issue.path : [issue.path]
      return shapeFaults(issue.issue, [...keys, ...path.map(key)])
    }
    case "Missing":
      return [{ keys: keys.slice(0, -1), reason: `missing field \`${keys.at(-1)}\``, missing: true, mismatch: false }]
    case "Composite": {
      const issues = all(issue.issues)
      if (!AST.isUnion(issue.ast)) return issues.flatMap((inner) => shapeFaults(inner, keys))
      const types = members(issue.ast)
      const inner = issues.filter((branch) => !(branch._tag === "Type" && isNullish(branch.ast)))
      const only = inner[0]
      return types.length === 1 && inner.length === 1 && only !== undefined
        ? shapeFaults(only, keys)
        : [{ keys, missing: false, ...mismatch(issue.ast, issue.actual) }]
    }
    case "Refinement":
    case "Transformation":
      return shapeFaults(issue.issue, keys)
    case "Type":
      return issue.message === undefined
        ? [{ keys, missing: false, ...mismatch(issue.ast, issue.actual) }]
        : [{ keys, missing: false, reason: issue.message, mismatch: issue.message.startsWith("invalid type") }]
    default:
      return [{ keys, missing: false, reason: "invalid value", mismatch: false }]
  }
}

const encoded = (ast: AST.AST): ReadonlyArray<AST.AST> => {
  switch (ast._tag) {
    case "Transformation":
    case "Refinement":
      return encoded(ast.from)
    case "Suspend":
      return encoded(ast.f())
    case "Union":
      return ast.types.flatMap(encoded)
    default:
      return [ast]
  }
}

const member = (ast: AST.AST, name: string | number): ReadonlyArray<AST.AST> => {
  if (AST.isTupleType(ast)) return ast.rest.flatMap((rest) => encoded(rest.type))
  if (!AST.isTypeLiteral(ast)) return []
  const property = ast.propertySignatures.find((signature) => signature.name === name)
  if (property !== undefined) return encoded(property.type)
  return ast.indexSignatures.flatMap((signature) => encoded(signature.type))
}

/** Whether the object that `path` leads to is a struct which knows `name`. */
export const structMember = (root: AST.AST, path: ReadonlyArray<string | number>, name: string): boolean =>
  path
    .reduce<ReadonlyArray<AST.AST>>((types, step) => types.flatMap((type) => member(type, step)), encoded(root))
    .some((type) => AST.isTypeLiteral(type) && type.propertySignatures.some((signature) => signature.name === name))

/**
 * Schema issues in the words of `serde`.
 */
import type * as ParseResult from "effect/ParseResult"
import * as AST from "effect/SchemaAST"
import { excerpt } from "./Excerpt.ts"
import { kindOf } from "./JsonValue.ts"

export interface ShapeFault {
  /** The member that is wrong; for a missing one, its container. */
  readonly keys: ReadonlyArray<string | number>
  readonly reason: string
  readonly missing: boolean
  /** The value is of another kind altogether, which shows at its first character. */
  readonly mismatch: boolean
}

/** `a`, `b` or one of many. */
const oneOf = (variants: ReadonlyArray<string>): string => {
  const quoted = variants.map((variant) => `\`${variant}\``)
  if (quoted.length === 1) return quoted.join("")
  return quoted.length === 2 ? quoted.join(" or ") : `one of ${quoted.join(", ")}`
}

/** The text for a name that an enumeration does not have. Names are no secrets; long ones are cut. */
export const unknownVariant = (name: string, variants: ReadonlyArray<string>): string =>
  `unknown variant \`${excerpt(name)}\`, expected ${oneOf(variants)}`

export const invalidType = (actual: unknown, expected: string): string =>
  `invalid type: ${kindOf(actual)}, expected ${expected}`

export const isNullish = (ast: AST.AST): boolean =>
  (AST.isLiteral(ast) && ast.literal === null) || AST.isUndefinedKeyword(ast)

/** What a union may be besides nothing. */
export const members = (ast: AST.Union): ReadonlyArray<AST.AST> =>
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

/** The first fault below an issue. */
export const shapeFault = (issue: ParseResult.ParseIssue, keys: ReadonlyArray<string | number> = []): ShapeFault => {
  switch (issue._tag) {
    case "Pointer": {
      const path = typeof issue.path === "object" ? issue.path : [issue.path]
      return shapeFault(issue.issue, [...keys, ...path.map(key)])
    }
    case "Missing":
      return { keys: keys.slice(0, -1), reason: `missing field \`${keys.at(-1)}\``, missing: true, mismatch: false }
    case "Composite": {
      const issues = all(issue.issues)
      const [first] = issues
      if (!AST.isUnion(issue.ast) && first !== undefined) return shapeFault(first, keys)
      const inner = issues.filter((branch) => !(branch._tag === "Type" && isNullish(branch.ast)))
      const [only] = inner
      const isOne = AST.isUnion(issue.ast) && members(issue.ast).length === 1 && inner.length === 1
      return isOne && only !== undefined
        ? shapeFault(only, keys)
        : { keys, missing: false, ...mismatch(issue.ast, issue.actual) }
    }
    case "Refinement":
    case "Transformation":
      return shapeFault(issue.issue, keys)
    case "Type":
      return issue.message === undefined
        ? { keys, missing: false, ...mismatch(issue.ast, issue.actual) }
        : { keys, missing: false, reason: issue.message, mismatch: issue.message.startsWith("invalid type") }
    default:
      return { keys, missing: false, reason: "invalid value", mismatch: false }
  }
}

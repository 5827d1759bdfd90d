/**
 * Schema issues in the words of `serde`.
 */
import * as AST from "effect/SchemaAST"
import type * as SchemaIssue from "effect/SchemaIssue"
import { excerpt } from "../Excerpt.ts"
import { kindOf } from "../JsonValue.ts"

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

const isNullish = (ast: AST.AST): boolean => AST.isNull(ast) || AST.isUndefined(ast)

/** What a union may be besides nothing. */
export const members = (ast: AST.Union): ReadonlyArray<AST.AST> =>
  ast.types.flatMap((type) => (AST.isUnion(type) ? members(type) : isNullish(type) ? [] : [type]))

const variants = (types: ReadonlyArray<AST.AST>): ReadonlyArray<string> =>
  types.flatMap((type) => (AST.isLiteral(type) && typeof type.literal === "string" ? [type.literal] : []))

const isEnumeration = (types: ReadonlyArray<AST.AST>): boolean =>
  types.length > 0 && variants(types).length === types.length

const expectation = (asked: AST.AST): string => {
  const ast = AST.toEncoded(asked)
  const identifier = AST.resolveIdentifier(ast)
  if (identifier !== undefined) return identifier
  switch (ast._tag) {
    case "String":
    case "TemplateLiteral":
      return "a string"
    case "Number":
      return "a number"
    case "Boolean":
      return "a boolean"
    case "Arrays":
      return "a sequence"
    case "Objects":
      return ast.propertySignatures.length > 0 ? "an object" : "a map"
    case "Suspend":
      return expectation(ast.thunk())
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

const key = (part: PropertyKey): string | number => (typeof part === "number" ? part : String(part))

const fault = (keys: ShapeFault["keys"], reason: string): ShapeFault => ({
  keys,
  reason,
  missing: false,
  mismatch: reason.startsWith("invalid type")
})

/** The first fault below an issue, whose inputs must have been reported. */
export const shapeFault = (issue: SchemaIssue.Issue, keys: ReadonlyArray<string | number> = []): ShapeFault => {
  switch (issue._tag) {
    case "Pointer":
      return shapeFault(issue.issue, [...keys, ...issue.path.map(key)])
    case "MissingKey":
      return { keys: keys.slice(0, -1), reason: `missing field \`${keys.at(-1)}\``, missing: true, mismatch: false }
    case "Composite":
      return shapeFault(issue.issues[0], keys)
    case "AnyOf": {
      const inner = issue.issues.filter((branch) => !(branch._tag === "InvalidType" && isNullish(branch.ast)))
      const [only] = inner
      return members(issue.ast).length === 1 && inner.length === 1 && only !== undefined
        ? shapeFault(only, keys)
        : { keys, missing: false, ...mismatch(issue.ast, issue.input) }
    }
    case "Filter":
    case "Encoding":
      return shapeFault(issue.issue, keys)
    case "InvalidType":
      return { keys, missing: false, ...mismatch(issue.ast, issue.input) }
    case "InvalidValue":
      return fault(keys, issue.annotations?.message ?? "invalid value")
    default:
      return fault(keys, "invalid value")
  }
}

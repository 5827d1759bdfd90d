/**
 * The drop-in command line, by the rules clients of the original rely on: long names in full, `--x v`, `--x=v`, `-Dv`, `-D v`,
 * no flag twice, no value that looks like a flag.
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import { near } from "../domain/json/decode/near.ts"

export interface Flag {
  readonly name: string
  readonly short?: string
  /** What the value is; absent for a switch. */
  readonly value?: string
  readonly help: string
  /** Shown in the help. */
  readonly default?: string
}

/** The command line is wrong: exit 2, with a hint. */
export class UsageError extends Data.TaggedError("UsageError")<{ readonly message: string; readonly hint?: string }> {}

export const usage = (message: string, hint?: string) =>
  Result.fail(new UsageError({ message, ...(hint !== undefined && { hint }) }))

/** Values by flag name; a switch that is given has the value "true". */
export type Given = ReadonlyMap<string, string>

const label = (flag: Flag): string => `--${flag.name}${flag.value === undefined ? "" : ` <${flag.value}>`}`

const closest = (flags: ReadonlyArray<Flag>, name: string): string | null =>
  flags.find((flag) => flag.name.startsWith(name) || name.startsWith(flag.name))?.name ??
  near(
    name,
    flags.map((flag) => flag.name)
  )

interface Token {
  readonly flag: Flag
  readonly inline: string | undefined
}

const recognize = (flags: ReadonlyArray<Flag>, arg: string): Result.Result<Token, UsageError> => {
  if (arg.startsWith("--")) {
    const [name = "", ...rest] = arg.slice(2).split("=")
    const flag = flags.find((candidate) => candidate.name === name)
    if (flag !== undefined) return Result.succeed({ flag, inline: rest.length === 0 ? undefined : rest.join("=") })
    const similar = closest(flags, name)
    const meant = name === "version" ? "compute_ctl version" : similar === null ? null : `--${similar}`
    return usage(`unexpected argument '--${name}' found`, meant === null ? undefined : `did you mean '${meant}'?`)
  }
  if (arg.startsWith("-") && arg.length > 1) {
    const flag = flags.find((candidate) => candidate.short === arg[1])
    if (flag === undefined) return usage(`unexpected argument '${arg.slice(0, 2)}' found`)
    const glued = arg.slice(2)
    return Result.succeed({ flag, inline: glued === "" ? undefined : glued.startsWith("=") ? glued.slice(1) : glued })
  }
  return usage(`unexpected argument '${arg}' found`)
}

export const parseFlags = (flags: ReadonlyArray<Flag>, argv: ReadonlyArray<string>): Result.Result<Given, UsageError> =>
  Result.gen(function* () {
    const given = new Map<string, string>()
    for (let index = 0; index < argv.length; index++) {
      const { flag, inline } = yield* recognize(flags, argv[index] ?? "")
      if (given.has(flag.name)) {
        return yield* usage(`the argument '${label(flag)}' cannot be used multiple times`)
      }
      if (flag.value === undefined) {
        if (inline !== undefined) return yield* usage(`unexpected value '${inline}' for '--${flag.name}' found`)
        given.set(flag.name, "true")
        continue
      }
      const value = inline ?? argv[++index]
      if (value === undefined || (inline === undefined && value.startsWith("-") && value !== "-")) {
        return yield* usage(`a value is required for '${label(flag)}' but none was supplied`)
      }
      given.set(flag.name, value)
    }
    return given
  })

/** A flag's value, or the usage error that it is missing. */
export const required = (given: Given, flag: Flag): Result.Result<string, UsageError> => {
  const value = given.get(flag.name)
  return value === undefined
    ? usage(`the following required arguments were not provided: ${label(flag)}`)
    : Result.succeed(value)
}

/** A whole number from `least` to `most`. */
export const wholeNumber = (
  given: Given,
  flag: Flag,
  most: number,
  least = 0
): Result.Result<number | null, UsageError> => {
  const text = given.get(flag.name)
  if (text === undefined) return Result.succeed(null)
  return /^\+?\d+$/.test(text) && Number(text) >= least && Number(text) <= most
    ? Result.succeed(Number(text))
    : usage(`invalid value '${text}' for '${label(flag)}': not a whole number from ${least} to ${most}`)
}

/** One line per flag, aligned. */
export const helpOf = (flags: ReadonlyArray<Flag>): string =>
  flags
    .map((flag) => {
      const names = `${flag.short === undefined ? "    " : `-${flag.short}, `}${label(flag)}`
      const preset = flag.default === undefined ? "" : ` [default: ${flag.default}]`
      return `  ${names}\n          ${flag.help}${preset}`
    })
    .join("\n")

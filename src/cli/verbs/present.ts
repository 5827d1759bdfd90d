/**
 * Help and complaints about the command line, as the verbs print them.
 */

import type * as CliError from "effect/cli/CliError"
import * as CliOutput from "effect/cli/CliOutput"
import * as Effect from "effect/Effect"
import { redact } from "../../domain/observe/Redaction.ts"
import { complain, hasColours, print } from "../output.ts"

const quoted = (names: ReadonlyArray<string>): string => names.map((name) => `'${name}'`).join(" or ")

const tip = (suggestions: ReadonlyArray<string>): string =>
  suggestions.length === 0 ? "" : `\n  tip: did you mean ${quoted(suggestions)}?`

const described = (error: CliError.NonShowHelpErrors): string => {
  switch (error._tag) {
    case "UnrecognizedOption":
      return `unexpected argument '${error.option}' found${tip(error.suggestions)}`
    case "UnknownSubcommand":
      return `there is no verb '${error.subcommand}'${tip(error.suggestions)}`
    case "MissingOption":
      return `the following required arguments were not provided: --${error.option}`
    case "MissingArgument":
      return `the following required arguments were not provided: <${error.argument}>`
    default:
      return redact(error.message)
  }
}

/** The value of a flag that is not known is an argument nobody expects: the flag explains both. */
const first = (errors: ReadonlyArray<CliError.NonShowHelpErrors>): ReadonlyArray<CliError.NonShowHelpErrors> => {
  const flags = errors.filter(({ _tag }) => _tag === "UnrecognizedOption")
  return flags.length > 0 ? flags : errors.slice(0, 1)
}

/** What stands below a verb's help and is too long to be loaded for the others. */
const more: Readonly<Record<string, () => Promise<string>>> = {
  emulate: async () => (await import("./local/emulate/help.ts")).help
}

const isVerbHelp = (path: ReadonlyArray<string>): path is readonly [string, string] => path.length > 1

/** Results on standard output, complaints on standard error. */
export const presenter: CliOutput.Presenter = {
  present: (event) => {
    switch (event._tag) {
      case "Help": {
        const text = CliOutput.defaultFormatter({ colors: hasColours() })
        const below = isVerbHelp(event.commandPath) ? more[event.commandPath[1]] : undefined
        return Effect.gen(function* () {
          yield* print(text.formatHelpDoc(event.helpDoc))
          if (below !== undefined) yield* print(`\n${yield* Effect.promise(below)}`)
        })
      }
      case "InvalidInvocation": {
        const command = event.commandPath.join(" ")
        const errors = first(event.errors).map((error) => `error: ${described(error)}`)
        return complain(
          [...errors, "", `Usage: ${event.helpDoc.usage}`, "", `For more information, try '${command} --help'.`].join(
            "\n"
          )
        )
      }
      case "Version":
        return print(event.version)
    }
  }
}

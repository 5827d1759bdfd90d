/**
 * `compute_ctl completions`: verbs and flags, those of the drop-in form among them, for a shell.
 */
import type * as Command from "effect/cli/Command"
import * as Completions from "effect/cli/Completions"
import * as Effect from "effect/Effect"
import { flags } from "../../arguments.ts"
import { print } from "../../output.ts"

export const SHELLS = ["bash", "zsh", "fish", "powershell"] as const

/** Flags that take a file, by their names: the tree reads them as texts, since `-` is one too. */
const FILES = new Set([
  ...["config", "spec-path", "pgbin", "token-file", "dir", "cache", "replica-content", "extensions", "spec", "faults"],
  ...["file", "output", "log"],
  ...["pgdata"]
])

const withFiles = (flag: Completions.FlagDescriptor): Completions.FlagDescriptor =>
  FILES.has(flag.name) ? { ...flag, type: { _tag: "Path", pathType: "either" } } : flag

const dropIn: ReadonlyArray<Completions.FlagDescriptor> = flags.map(({ help, name, short, value }) =>
  withFiles({
    name,
    aliases: short === undefined ? [] : [short],
    description: help,
    type: { _tag: value === undefined ? "Boolean" : "String" },
    negation: false
  })
)

export const completions = (root: Command.Command.Any, shell: Completions.Shell): Effect.Effect<number> => {
  const described = Completions.fromCommand(root)
  const whole = {
    ...described,
    flags: dropIn,
    subcommands: described.subcommands.map((verb) => ({ ...verb, flags: verb.flags.map(withFiles) }))
  }
  const script = Completions.generate("compute_ctl", shell, whole)
  return Effect.as(print(script.replaceAll("compute_ctl --completions", "compute_ctl completions")), 0)
}

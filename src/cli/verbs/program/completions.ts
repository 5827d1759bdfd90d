/**
 * `compute_ctl completions`: verbs and flags, those of the drop-in form among them, for a shell.
 */
import type * as Command from "effect/cli/Command"
import * as Completions from "effect/cli/Completions"
import * as Effect from "effect/Effect"
import { flags } from "../../arguments.ts"
import { commands as importCommands, everywhere as importFlags } from "../../fastImport/arguments.ts"
import type { Flag } from "../../flags.ts"
import { print } from "../../output.ts"
import { words } from "../words.ts"

export const SHELLS = ["bash", "zsh", "fish", "powershell"] as const

/** Flags that take a file, by their names: the tree reads them as texts, since `-` is one too. */
const FILES = new Set([
  ...["config", "spec-path", "pgbin", "token-file", "dir", "cache", "replica-content", "extensions", "spec", "faults"],
  ...["file", "output", "log"],
  ...["pgdata", "working-directory", "pg-bin-dir", "pg-lib-dir"]
])

const withFiles = (flag: Completions.FlagDescriptor): Completions.FlagDescriptor =>
  FILES.has(flag.name) ? { ...flag, type: { _tag: "Path", pathType: "either" } } : flag

/** Values of flags that the tables of the two programs have as texts. */
const CHOICES = new Map([
  ["log-format", ["text", "json"]],
  ["lakebase-mode", ["true", "false"]]
])

const typeOf = ({ name, value }: Flag): Completions.FlagType => {
  const values = CHOICES.get(name)
  if (values !== undefined) return { _tag: "Choice", values }
  return { _tag: value === undefined ? "Boolean" : "String" }
}

const described = (flag: Flag): Completions.FlagDescriptor =>
  withFiles({
    name: flag.name,
    aliases: flag.short === undefined ? [] : [flag.short],
    description: flag.help,
    type: typeOf(flag),
    negation: false
  })

const help = described({ name: "help", short: "h", help: "Print this" })

/** `fast-import` has a command line of its own. */
const withItsOwn = (verb: Completions.CommandDescriptor): Completions.CommandDescriptor =>
  verb.name === "fast-import"
    ? { ...verb, flags: importFlags.map(described), subcommands: jobs }
    : { ...verb, flags: [...verb.flags.map(withFiles), help] }

const jobs = Object.entries(importCommands).map(([name, { about, options }]) => ({
  name,
  description: about,
  flags: options.map(described),
  arguments: [],
  subcommands: []
}))

/** This verb itself, which is no part of the tree that it completes. */
const itself: Completions.CommandDescriptor = {
  name: "completions",
  description: words.completions,
  flags: [help],
  arguments: [
    {
      name: "shell",
      description: "Whose script",
      required: true,
      variadic: false,
      type: { _tag: "Choice", values: SHELLS }
    }
  ],
  subcommands: []
}

export const completions = (root: Command.Command.Any, shell: Completions.Shell): Effect.Effect<number> => {
  const tree = Completions.fromCommand(root)
  const whole = { ...tree, flags: flags.map(described), subcommands: [...tree.subcommands.map(withItsOwn), itself] }
  const script = Completions.generate("compute_ctl", shell, whole)
  return Effect.as(print(script.replaceAll("compute_ctl --completions", "compute_ctl completions")), 0)
}

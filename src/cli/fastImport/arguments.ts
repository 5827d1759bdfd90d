/**
 * The command line of `fast_import`: options of all commands, the command, its own options.
 *
 * Source: `compute_tools/src/bin/fast_import.rs` (`Args`, `Command`).
 */
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { parse as parsePrefix } from "../../domain/fastImport/S3Prefix.ts"
import type { ImportSettings, JobCommand } from "../../layers/fastImport/ImportOptions.ts"
import { type Flag, type Given, helpOf, parseFlags, UsageError, usage, wholeNumber } from "../flags.ts"

export interface Option extends Flag {
  readonly env?: string
}

const option = (name: string, value: string, env: string | null, help: string, preset?: string): Option => ({
  name,
  value,
  help: env === null ? help : `${help} [env: ${env}]`,
  ...(env !== null && { env }),
  ...(preset !== undefined && { default: preset })
})

const help: Option = { name: "help", short: "h", help: "Print this" }
const workdir = option("working-directory", "DIR", "NEON_IMPORTER_WORKDIR", "Made when it is missing, else empty")
const prefix = option(
  "s3-prefix",
  "S3_PREFIX",
  "NEON_IMPORTER_S3_PREFIX",
  "s3://BUCKET/KEY: where spec.json is read, and pgdata and status are written"
)
const binDir = option(
  "pg-bin-dir",
  "DIR",
  "NEON_IMPORTER_PG_BIN_DIR",
  "Where postgres, initdb, pg_config, pg_dump and pg_restore are"
)
const libDir = option("pg-lib-dir", "DIR", "NEON_IMPORTER_PG_LIB_DIR", "Where their libraries are")
const jobs = option(
  "jobs",
  "JOBS",
  "NEON_IMPORTER_JOBS",
  "Connections of pg_dump and of pg_restore",
  "the processors of the machine"
)
const atOnce: Option = {
  name: "at-once",
  help: "Restore while dumping, by one connection each and without a copy on disk; not with --jobs"
}
const timeout = option("timeout", "SECONDS", "NEON_IMPORTER_TIMEOUT", "For the whole job", "as long as it takes")
const statusDetail: Option = { name: "status-detail", help: "Say the causes of a failure in status/fast_import too" }
const resume: Option = {
  name: "resume",
  help: "Leave a note of a complete pgdata, and go on with its upload where an earlier run left one"
}

const source = option("source-connection-string", "CONNSTR", null, "Instead of the one in spec.json")
const destination = option("destination-connection-string", "CONNSTR", null, "Instead of the one in spec.json")
const interactive: Option = {
  name: "interactive",
  short: "i",
  help: "Leave Postgres running after the restore, until Ctrl-C"
}
const port = option("pg-port", "PORT", null, "Where Postgres listens meanwhile", "5432")
const cpus = option(
  "num-cpus",
  "NUM_CPUS",
  "NEON_IMPORTER_NUM_CPUS",
  "Parallel workers of Postgres",
  "the processors of the machine"
)
const memory = option("memory-mb", "MEMORY_MB", "NEON_IMPORTER_MEMORY_MB", "Memory of Postgres", "256")

/** Options before the command. */
export const everywhere: ReadonlyArray<Option> = [
  workdir,
  prefix,
  binDir,
  libDir,
  jobs,
  atOnce,
  timeout,
  resume,
  statusDetail,
  help
]

export interface Command {
  readonly about: string
  readonly options: ReadonlyArray<Option>
}

export const commands: Readonly<Record<JobCommand["name"], Command>> = {
  pgdata: {
    about: "Restores the source into a new cluster, and lays that into storage",
    options: [source, interactive, port, cpus, memory, help]
  },
  "dump-restore": { about: "Restores the source into a running server", options: [source, destination, help] }
}

const isCommand = (word: string): word is JobCommand["name"] => Object.hasOwn(commands, word)

const usageOf = (program: string, command: JobCommand["name"] | null) =>
  command === null ? `${program} [OPTIONS] <COMMAND>` : `${program} ${command} [OPTIONS]`

/** `command`: null for the program as a whole. */
export const helpText = (program: string, command: JobCommand["name"] | null): string =>
  command === null
    ? `${program} imports a database by pg_dump and pg_restore.

Usage: ${usageOf(program, null)}

Commands:
${Object.entries(commands)
  .map(([name, { about }]) => `  ${name.padEnd(14)}${about}`)
  .join("\n")}
  help          Print this, or the options of a command

Options, before the command:
${helpOf(everywhere)}

Exit code: 0 done, or with --s3-prefix a failure that status/fast_import tells of; 1 or 101 failed; 2 for a wrong command
line; 128 and the number of the signal that stopped it.

EXAMPLES
  # what spec.json below the prefix asks for, laid there for a pageserver
  ${program} --working-directory /work --s3-prefix s3://bucket/key \\
      --pg-bin-dir /usr/lib/postgresql/15/bin --pg-lib-dir /usr/lib/postgresql/15/lib pgdata`
    : `${commands[command].about}.

Usage: ${usageOf(program, command)}

Options:
${helpOf(commands[command].options)}`

export type Environment = Readonly<Record<string, string | undefined>>

export type Wanted =
  | { readonly _tag: "Help"; readonly command: JobCommand["name"] | null }
  | { readonly _tag: "Run"; readonly settings: ImportSettings }

const isHelp = (word: string) => word === "--help" || word === "-h"

/** How many words of the beginning are options with their values. */
const leading = (argv: ReadonlyArray<string>, options: ReadonlyArray<Option>): number => {
  let at = 0
  for (let word = argv[at]; word?.startsWith("-") === true && word !== "-"; word = argv[at]) {
    if (isHelp(word)) return at
    const known = options.find(({ name }) => word === `--${name}`)
    at += known?.value === undefined ? 1 : 2
  }
  return Math.min(at, argv.length)
}

/** The environment speaks where the command line does not; an empty variable is a value. */
const withEnvironment = (given: Given, options: ReadonlyArray<Option>, env: Environment): Given => {
  const all = new Map(given)
  for (const { env: variable, name } of options) {
    const value = variable === undefined ? undefined : env[variable]
    if (value !== undefined && !all.has(name)) all.set(name, value)
  }
  return all
}

const secret = (given: Given, { name }: Option) => {
  const text = given.get(name)
  return text === undefined ? null : Redacted.make(text)
}

const prefixOf = (given: Given) => {
  const text = given.get(prefix.name)
  return text === undefined
    ? Result.succeed(null)
    : Result.mapError(
        parsePrefix(text),
        (why) => new UsageError({ message: `invalid value '${text}' for '--${prefix.name} <${prefix.value}>': ${why}` })
      )
}

const LARGEST = 2 ** 64
const LARGEST_SECONDS = 2 ** 31

const commandOf = (
  name: JobCommand["name"],
  given: Given,
  machineCpus: number
): Result.Result<JobCommand, UsageError> =>
  Result.gen(function* () {
    if (name === "dump-restore") {
      return { name, source: secret(given, source), destination: secret(given, destination) }
    }
    return {
      name,
      source: secret(given, source),
      interactive: given.has(interactive.name),
      port: (yield* wholeNumber(given, port, 65_535)) ?? 5432,
      cpus: (yield* wholeNumber(given, cpus, LARGEST)) ?? machineCpus,
      memoryMb: (yield* wholeNumber(given, memory, LARGEST)) ?? 256
    }
  })

const needed = (given: Given, options: ReadonlyArray<Option>): Result.Result<ReadonlyArray<string>, UsageError> => {
  const missing = options.filter(({ name }) => !given.has(name)).map(({ name, value }) => `--${name} <${value}>`)
  return missing.length > 0
    ? usage(`the following required arguments were not provided: ${missing.join(", ")}`)
    : Result.succeed(options.map(({ name }) => given.get(name) ?? ""))
}

const helpCommand = (words: ReadonlyArray<string>): Result.Result<Wanted, UsageError> => {
  const [word] = words
  if (word === undefined || word === "help") return Result.succeed({ _tag: "Help", command: null })
  return isCommand(word) && words.length === 1
    ? Result.succeed({ _tag: "Help", command: word })
    : usage(`unrecognized subcommand '${word}'`)
}

/** `machineCpus`: what may be used at once here. */
export const parseArguments = (
  argv: ReadonlyArray<string>,
  env: Environment,
  machineCpus: number
): Result.Result<Wanted, UsageError> =>
  Result.gen(function* () {
    const split = leading(argv, everywhere)
    const common = yield* parseFlags(everywhere, argv.slice(0, split))
    const [word, ...rest] = argv.slice(split)
    if (word !== undefined && isHelp(word)) return { _tag: "Help", command: null }
    if (word === undefined)
      return yield* usage(`a command is required: ${[...Object.keys(commands), "help"].join(", ")}`)
    if (word === "help") return yield* helpCommand(rest)
    if (!isCommand(word)) return yield* usage(`unrecognized subcommand '${word}'`)
    const own = commands[word].options
    const end = leading(rest, own)
    const parsed = yield* parseFlags(own, rest.slice(0, end))
    const behind = rest[end]
    if (behind !== undefined && isHelp(behind)) return { _tag: "Help", command: word }
    if (behind !== undefined) return yield* usage(`unexpected argument '${behind}' found`)
    const given = withEnvironment(common, everywhere, env)
    const [directory = "", bin = "", lib = ""] = yield* needed(given, [workdir, binDir, libDir])
    const most = yield* wholeNumber(given, jobs, LARGEST)
    if (most === 0) return yield* usage(`invalid value '0' for '--${jobs.name} <${jobs.value}>': at least one`)
    if (most !== null && given.has(atOnce.name)) {
      return yield* usage(`the argument '--${jobs.name} <${jobs.value}>' cannot be used with '--${atOnce.name}'`)
    }
    return {
      _tag: "Run",
      settings: {
        command: yield* commandOf(word, withEnvironment(parsed, own, env), machineCpus),
        workdir: directory,
        prefix: yield* prefixOf(given),
        binDir: bin,
        libDir: lib,
        jobs: most ?? machineCpus,
        atOnce: given.has(atOnce.name),
        resume: given.has(resume.name),
        statusDetail: given.has(statusDetail.name),
        timeout: yield* wholeNumber(given, timeout, LARGEST_SECONDS),
        env
      }
    }
  })

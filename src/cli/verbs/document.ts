/**
 * The flags of the verbs that read a configuration without running it.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Document } from "../../domain/conf/Check.ts"
import type { ConfContext } from "../../domain/conf/PostgresConf.ts"
import { connstrPort } from "../../domain/postgres/Connstr.ts"
import { BodyTooLong, readBody } from "../../layers/http/readBody.ts"
import { limits, readText } from "../../layers/machine/RegularFile.ts"
import { strictOvercommit } from "../../layers/postgres/dataDirectory/conf.ts"
import { type Flag, type Given, parseFlags, UsageError, wholeNumber } from "../flags.ts"

const config: Flag = { name: "config", short: "c", value: "FILE", help: "The configuration; `-` for standard input" }
const specPath: Flag = { name: "spec-path", short: "S", value: "FILE", help: "A bare spec instead" }
const internalHttpPort: Flag = {
  name: "internal-http-port",
  value: "PORT",
  help: "The internal API's port, which Postgres is told",
  default: "3081"
}
const privilegedRole: Flag = {
  name: "privileged-role-name",
  value: "ROLE",
  help: "The role that owns what customers may do",
  default: "neon_superuser"
}
const lakebasePort: Flag = {
  name: "lakebase-connstr",
  value: "URL",
  help: "As in lakebase mode, with the port of this connection URI"
}
const help: Flag = { name: "help", short: "h", help: "Print this" }

export const documentFlags = [config, specPath, internalHttpPort, privilegedRole, lakebasePort, help]

export interface ReadDocument {
  readonly document: Document
  readonly file: string
  readonly text: string
  readonly context: Omit<ConfContext, "tls">
}

/** What a pipe or a terminal brings until it ends. */
const standardInput = Effect.tryPromise({
  try: () => readBody(process.stdin, limits.document),
  catch: (error) => {
    const reason = error instanceof BodyTooLong ? `it is longer than ${error.limit} bytes` : String(error)
    return new UsageError({ message: `cannot read the standard input: ${reason}` })
  }
}).pipe(Effect.map((bytes) => bytes.toString("utf8")))

const read = (file: string): Effect.Effect<string, UsageError> =>
  file === "-"
    ? standardInput
    : Effect.mapError(readText(file, limits.document), ({ path, reason }) => {
        const message = `cannot read ${path}: ${reason}`
        return new UsageError(
          reason.includes("a pipe") ? { message, hint: "`-` reads the standard input" } : { message }
        )
      })

const fileOf = (given: Given): Result.Result<readonly [Document, string], UsageError> => {
  const whole = given.get(config.name)
  const bare = given.get(specPath.name)
  if (whole !== undefined && bare === undefined) return Result.succeed(["config", whole] as const)
  if (bare !== undefined && whole === undefined) return Result.succeed(["spec", bare] as const)
  return Result.fail(new UsageError({ message: "give one of --config FILE and --spec-path FILE" }))
}

export const readDocument = (argv: ReadonlyArray<string>): Effect.Effect<ReadDocument, UsageError> =>
  Effect.gen(function* () {
    const given = yield* Effect.fromResult(parseFlags(documentFlags, argv))
    const [document, file] = yield* Effect.fromResult(fileOf(given))
    const port = yield* Effect.fromResult(wholeNumber(given, internalHttpPort, 65_535))
    const lakebase = given.get(lakebasePort.name)
    return {
      document,
      file,
      text: yield* read(file),
      context: {
        internalHttpPort: port ?? 3081,
        strictOvercommit: strictOvercommit(),
        privilegedRole: given.get(privilegedRole.name) ?? "neon_superuser",
        lakebase: lakebase === undefined ? null : { port: connstrPort(lakebase) }
      }
    }
  })

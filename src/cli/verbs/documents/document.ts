/**
 * The verbs that read a configuration without running it: their flags, and the document.
 */
import type * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import type { Document } from "../../../domain/conf/Check.ts"
import type { Fault } from "../../../domain/conf/Fault.ts"
import type { ConfContext } from "../../../domain/conf/PostgresConf.ts"
import { portOf } from "../../../domain/postgres/ConnectionString.ts"
import { BodyTooLong, readBody } from "../../../layers/http/readBody.ts"
import { limits, readText } from "../../../layers/machine/RegularFile.ts"
import { strictOvercommit } from "../../../layers/postgres/dataDirectory/conf.ts"
import { UsageError } from "../../flags.ts"
import { misfit, port, privilegedRole, text } from "../options.ts"

export const documentFlags = {
  config: text("config", "FILE", "The configuration; `-` for standard input", { short: "c" }),
  specPath: text("spec-path", "FILE", "A bare spec instead", { short: "S" }),
  internalHttpPort: Flag.map(
    port("internal-http-port", "The internal API's port, which Postgres is told", "3081"),
    (given) => given ?? 3081
  ),
  privilegedRole,
  lakebaseConnstr: text("lakebase-connstr", "URL", "As in lakebase mode, with the port of this connection URI")
}

export interface DocumentOptions {
  readonly config: string | null
  readonly specPath: string | null
  readonly internalHttpPort: number
  readonly privilegedRole: string
  readonly lakebaseConnstr: string | null
}

export const fitDocument = <A extends DocumentOptions>({
  config,
  specPath
}: A): Effect.Effect<void, CliError.CliError> =>
  (config === null) === (specPath === null) ? misfit("give one of --config FILE and --spec-path FILE") : Effect.void

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

export const readFile = (file: string): Effect.Effect<string, UsageError> =>
  file === "-"
    ? standardInput
    : Effect.mapError(readText(file, limits.document), ({ path, reason }) => {
        const message = `cannot read ${path}: ${reason}`
        return new UsageError(
          reason.includes("a pipe") ? { message, hint: "`-` reads the standard input" } : { message }
        )
      })

/** A fault with its place, where its words do not begin with that. */
export const faultLine = (file: string, { message, path }: Fault): string =>
  `${file}: ${message.startsWith(path) ? "" : `${path}: `}${message}`

/** What a configuration is rendered for: this machine. */
export const contextOf = (
  { internalHttpPort, privilegedRole }: Pick<DocumentOptions, "internalHttpPort" | "privilegedRole">,
  lakebaseConnstr: string | null = null
): Omit<ConfContext, "tls"> => ({
  internalHttpPort,
  strictOvercommit: strictOvercommit(),
  privilegedRole,
  lakebase: lakebaseConnstr === null ? null : { port: portOf(lakebaseConnstr) }
})

export const readDocument = (given: DocumentOptions): Effect.Effect<ReadDocument, UsageError> => {
  const file = given.config ?? given.specPath ?? "-"
  return Effect.map(readFile(file), (text) => ({
    document: given.config === null ? "spec" : "config",
    file,
    text,
    context: contextOf(given, given.lakebaseConnstr)
  }))
}

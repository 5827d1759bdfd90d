/**
 * The verbs that ask a running compute: which one, with what token, and what an operator can do about a refusal.
 */
import type * as CliError from "effect/cli/CliError"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { redact } from "../../../domain/observe/Redaction.ts"
import type { Target } from "../../../http/client.ts"
import { Variables } from "../../../layers/machine/process/Variables.ts"
import { limits, readText } from "../../../layers/machine/RegularFile.ts"
import { UsageError } from "../../flags.ts"
import { misfit, orNull, text } from "../options.ts"

const EXTERNAL = "http://localhost:3080"

/** `host:port` is as good as `http://host:port`. */
const withScheme = (given: string): string => (/^[^/\s]+:\d+\/*$/.test(given) ? `http://${given}` : given)

const isAddress = (url: string): boolean => /^https?:\/\/[^/@\s]+\/*$/.test(url) && URL.canParse(url)

const expected = `an address as ${EXTERNAL}, without a user or a path`

/** The text as an address, or what would be one. */
export const addressOf = (given: string): Result.Result<string, string> => {
  const url = withScheme(given)
  return isAddress(url) ? Result.succeed(url) : Result.fail(`${redact(JSON.stringify(given))} is not ${expected}`)
}

/** An address of a compute, as a flag gives it. */
export const address = (name: string, help: string, more?: { readonly preset: string }) =>
  orNull(
    Flag.String(name).pipe(
      Flag.withMetavar("URL"),
      Flag.withDescription(more === undefined ? help : `${help} [default: ${more.preset}]`),
      Flag.map(withScheme),
      Flag.filter(isAddress, () => expected)
    )
  )

/** Several of them. */
export const addresses = (name: string, help: string) =>
  Flag.String(name).pipe(
    Flag.withMetavar("URL"),
    Flag.withDescription(help),
    Flag.map(withScheme),
    Flag.filter(isAddress, () => expected),
    Flag.atLeast(0)
  )

export const tokenFlags = {
  token: text(
    "token",
    "JWT",
    "Token for --url; others on this machine can see it in the list of processes [env: COMPUTE_CTL_TOKEN]"
  ),
  tokenFile: text("token-file", "FILE", "File with the token")
}

export const targetFlags = {
  url: address("url", "The compute's external server", { preset: EXTERNAL }),
  ...tokenFlags
}

export interface TokenOptions {
  readonly token: string | null
  readonly tokenFile: string | null
}

export interface TargetOptions extends TokenOptions {
  readonly url: string | null
}

export const fitToken = <A extends TokenOptions>({ token, tokenFile }: A): Effect.Effect<void, CliError.CliError> =>
  token !== null && tokenFile !== null ? misfit("--token cannot be used with --token-file") : Effect.void

const readToken = (file: string): Effect.Effect<string, UsageError> =>
  Effect.mapError(
    readText(file, limits.credentials),
    ({ reason }) => new UsageError({ message: `cannot read ${file}: ${reason}` })
  )

/** A whole header's value is as good as the token in it. */
const bare = (token: string): string => token.trim().replace(/^(?:authorization:\s*)?bearer\s+/i, "")

export const tokenOf = ({ token, tokenFile }: TokenOptions): Effect.Effect<Target["token"], UsageError> =>
  Effect.gen(function* () {
    const { token: inherited } = yield* Variables
    const given =
      tokenFile === null
        ? (token ?? (inherited === null ? null : Redacted.value(inherited)))
        : yield* readToken(tokenFile)
    return given === null ? null : Redacted.make(bare(given))
  })

export const targetOf = (given: TargetOptions): Effect.Effect<Target, UsageError> =>
  Effect.map(tokenOf(given), (token) => ({ url: given.url ?? EXTERNAL, token }))

/** What the client fails with, as far as it matters here. */
interface Failure {
  readonly _tag: string
  readonly message: string
  readonly status?: number
}

const isTls = (message: string): boolean => /SSL|EPROTO|wrong version/.test(message)

/** What an operator can do about it. */
export const hint = ({ _tag, message, status }: Failure, { token, url }: Target): string | null => {
  if (_tag === "Refused" && status === 404)
    return "the internal server does not answer this: --url takes the external one"
  if (_tag === "Refused" && token === null) return "a token is needed: --token-file FILE"
  if (_tag === "Refused" && (status === 401 || status === 400))
    return "the token has to be signed with a key of this compute"
  if (_tag === "Unreachable" && isTls(message)) {
    return `this server speaks no TLS: --url ${url.replace(/^https/, "http")}`
  }
  if (_tag === "Unreachable" && /ECONNREFUSED/.test(message)) {
    return "nobody listens there: does the compute run, and is it the port of its external server?"
  }
  return null
}

/** The message, and what to do about it. */
export const explained = (failure: Failure, target: Target): string => {
  const tip = hint(failure, target)
  const raw = failure._tag === "Unreachable" && isTls(failure.message) ? `cannot reach ${target.url}` : failure.message
  return tip === null ? raw : `${raw}\n  tip: ${tip}`
}

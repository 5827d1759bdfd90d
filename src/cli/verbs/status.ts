/**
 * `compute_ctl status`: what a running compute does and what it waits for, on one screen.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { ComputeStatus } from "../../domain/status/ComputeStatus.ts"
import type { Target } from "../../http/client.ts"
import { wallMillis } from "../../layers/compute/clock/WallClock.ts"
import { limits, readText } from "../../layers/machine/RegularFile.ts"
import { type Flag, helpOf, parseFlags, UsageError } from "../flags.ts"
import { complain, print, wantsHelp } from "../output.ts"
import { statusText } from "./status/screen.ts"

const url: Flag = { name: "url", value: "URL", help: "The compute's external server", default: "http://localhost:3080" }
const token: Flag = {
  name: "token",
  value: "JWT",
  help: "Token for --url; others on this machine can see it in the list of processes [env: COMPUTE_CTL_TOKEN]"
}
const tokenFile: Flag = { name: "token-file", value: "FILE", help: "File with the token" }
const json: Flag = { name: "json", help: "Print JSON" }
const help: Flag = { name: "help", short: "h", help: "Print this" }
const flags = [url, token, tokenFile, json, help]

const RUNNING = 0
const FAILED = 1
const USAGE = 2
const OTHERWISE = 3

const helpText = `compute_ctl status prints what a running compute does, since when, and what it waits for.
Exit code: ${RUNNING} running, ${OTHERWISE} anything else that is no failure, ${FAILED} failed or not to be asked, ${USAGE} wrong arguments.

Usage: compute_ctl status [OPTIONS]

Options:
${helpOf(flags)}`

interface Wanted {
  readonly target: Target
  readonly json: boolean
}

const readToken = (file: string): Effect.Effect<string, UsageError> =>
  readText(file, limits.credentials).pipe(
    Effect.map((text) => text.trim()),
    Effect.mapError(({ reason }) => new UsageError({ message: `cannot read ${file}: ${reason}` }))
  )

const choose = (argv: ReadonlyArray<string>): Effect.Effect<Wanted, UsageError> =>
  Effect.gen(function* () {
    const given = yield* Effect.fromResult(parseFlags(flags, argv))
    const file = given.get(tokenFile.name)
    const direct = given.get(token.name)
    if (file !== undefined && direct !== undefined) {
      return yield* Effect.fail(new UsageError({ message: "--token cannot be used with --token-file" }))
    }
    const address = given.get(url.name) ?? "http://localhost:3080"
    if (!/^https?:\/\/[^/\s]+\/*$/.test(address)) {
      return yield* Effect.fail(new UsageError({ message: `invalid value '${address}' for '--url <URL>'` }))
    }
    const secret = file === undefined ? (direct ?? process.env.COMPUTE_CTL_TOKEN) : yield* readToken(file)
    return {
      target: { url: address, token: secret === undefined ? null : Redacted.make(secret) },
      json: given.has(json.name)
    }
  })

const exitCode = (status: ComputeStatus): number =>
  status === "running" ? RUNNING : status === "failed" ? FAILED : OTHERWISE

const show = ({ json: asJson, target }: Wanted) =>
  Effect.gen(function* () {
    const client = yield* Effect.promise(() => import("../../http/client.ts"))
    const found = (yield* client.statusDetail(target)) ?? (yield* client.status(target))
    const now = yield* wallMillis
    yield* print(asJson ? JSON.stringify(found, null, 2) : statusText(found, now))
    return exitCode(found.status)
  }).pipe(
    Effect.catch((error) => {
      const hint = error._tag === "Refused" && target.token === null ? " (a token is needed: --token-file)" : ""
      return Effect.as(complain(`Error: ${error.message}${hint}`), FAILED)
    })
  )

export const status = (argv: ReadonlyArray<string>): Effect.Effect<number> => {
  if (wantsHelp(argv)) return Effect.as(print(helpText), RUNNING)
  return Effect.matchEffect(choose(argv), {
    onFailure: ({ message }) => Effect.as(complain(`error: ${message}`), USAGE),
    onSuccess: show
  })
}

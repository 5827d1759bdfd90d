/**
 * `compute_ctl plan`: what applying a spec would change in the catalog, and why. Changes nothing.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { withoutSlashes } from "../../domain/api/BaseUrl.ts"
import { changes, PlanReport, planReport, planText } from "../../domain/catalog/plan/PlanReport.ts"
import { decodeJson } from "../../domain/json/Decode.ts"
import { redact } from "../../domain/observe/Redaction.ts"
import { ComputeConfig } from "../../domain/spec/ComputeConfig.ts"
import { type ComputeSpec, findSetting } from "../../domain/spec/ComputeSpec.ts"
import { parseSpec } from "../../domain/spec/ParsedSpec.ts"
import { dryRun } from "../../layers/catalog/look/dryRun.ts"
import { BodyTooLong, readBody } from "../../layers/http/readBody.ts"
import { limits, readText } from "../../layers/machine/RegularFile.ts"
import { Sql } from "../../layers/sql/Sql.ts"
import { type Flag, helpOf, parseFlags, UsageError } from "../flags.ts"
import * as Output from "../output.ts"
import { print, wantsHelp } from "../output.ts"

const config: Flag = { name: "config", short: "c", value: "FILE", help: "Configuration whose spec is to be planned" }
const connstr: Flag = {
  name: "connstr",
  short: "C",
  value: "URL",
  help: "Connection URI of the Postgres to look at",
  default: "cloud_admin on localhost, at the spec's port"
}
const url: Flag = {
  name: "url",
  value: "URL",
  help: "Ask a running compute, as http://localhost:3080, instead of its Postgres; without --config for its own spec"
}
const token: Flag = { name: "token", value: "JWT", help: "Token for --url [env: COMPUTE_CTL_TOKEN]" }
const role: Flag = {
  name: "privileged-role-name",
  value: "ROLE",
  help: "The role that owns what customers may do",
  default: "neon_superuser"
}
const lakebase: Flag = { name: "lakebase-mode", value: "BOOL", help: "Plan for lakebase", default: "false" }
const json: Flag = { name: "json", help: "Print JSON" }
const help: Flag = { name: "help", short: "h", help: "Print this" }
const flags = [config, connstr, url, token, role, lakebase, json, help]

const helpText = `compute_ctl plan prints what applying a spec would change in the catalog, and why; it changes nothing.
Exit code: 0 nothing to do, 2 changes pending, 1 it could not be found out.

Usage: compute_ctl plan --config <FILE> [OPTIONS]
       compute_ctl plan --url <URL> [--config <FILE>] [OPTIONS]

Options:
${helpOf(flags)}`

const NOTHING = 0
const FAILED = 1
const PENDING = 2

const ANSWER_LIMIT = "5 minutes"
/** Bytes. */
const LONGEST_ANSWER = 64 * 1024 * 1024

class PlanRefused extends Data.TaggedError("PlanRefused")<{ readonly message: string }> {}

const refused = (message: string) => new PlanRefused({ message })

interface Wanted {
  readonly config: string | null
  readonly connstr: string | null
  readonly url: string | null
  readonly token: string | null
  readonly privilegedRole: string
  readonly lakebase: boolean
  readonly json: boolean
}

const choose = (argv: ReadonlyArray<string>): Result.Result<Wanted, UsageError> =>
  Result.gen(function* () {
    const given = yield* parseFlags(flags, argv)
    const wanted: Wanted = {
      config: given.get(config.name) ?? null,
      connstr: given.get(connstr.name) ?? null,
      url: given.get(url.name) ?? null,
      token: given.get(token.name) ?? process.env.COMPUTE_CTL_TOKEN ?? null,
      privilegedRole: given.get(role.name) ?? "neon_superuser",
      lakebase: given.get(lakebase.name) === "true",
      json: given.has(json.name)
    }
    if (wanted.config === null && wanted.url === null) {
      return yield* Result.fail(new UsageError({ message: "give --config or --url" }))
    }
    if (wanted.url !== null && wanted.connstr !== null) {
      return yield* Result.fail(new UsageError({ message: "--connstr cannot be used with --url" }))
    }
    // It goes into statements without quotes.
    if (!/^[a-z_]+$/.test(wanted.privilegedRole)) {
      const message = "--privileged-role-name can only contain lowercase letters and underscores"
      return yield* Result.fail(new UsageError({ message }))
    }
    return wanted
  })

const readDocument = (file: string) =>
  Effect.mapError(readText(file, limits.document), ({ reason }) => refused(`cannot read ${file}: ${reason}`))

const readSpec = (file: string) =>
  Effect.gen(function* () {
    const text = yield* readDocument(file)
    const decoded = yield* Effect.fromResult(
      Result.mapError(decodeJson(ComputeConfig, text), ({ message }) => refused(`${file}: ${message}`))
    )
    return decoded.spec === null ? yield* refused(`${file} has no spec`) : decoded.spec
  })

/** Where the spec's own Postgres listens. */
const ownPostgres = ({ cluster }: ComputeSpec): string => {
  const line = /^[ \t]*port[ \t]*=[ \t]*'?(\d+)/m.exec(cluster.postgresql_conf ?? "")
  return `postgresql://cloud_admin@localhost:${findSetting(cluster.settings, "port") ?? line?.[1] ?? 5432}/postgres`
}

const lookMyself = (file: string, wanted: Wanted) =>
  Effect.gen(function* () {
    const spec = yield* readSpec(file)
    const parsed = yield* Effect.fromResult(parseSpec(spec))
    const sql = yield* Effect.provide(Sql, Sql.layerTo(wanted.connstr ?? ownPostgres(spec)))
    return planReport(yield* dryRun(sql, wanted, parsed))
  })

/** The compute takes a whole config as well as a spec; one that is wrong is explained here, with its place in the file. */
const configText = (file: string) => Effect.andThen(readSpec(file), readDocument(file))

const askCompute = (address: string, wanted: Wanted) =>
  Effect.gen(function* () {
    const body = wanted.config === null ? null : yield* configText(wanted.config)
    const headers = {
      ...(wanted.token !== null && { authorization: `Bearer ${wanted.token}` }),
      ...(body !== null && { "content-type": "application/json" })
    }
    const [status, text] = yield* Effect.tryPromise({
      try: async (signal) => {
        const target = `${withoutSlashes(address)}/plan`
        const answer = await fetch(
          target,
          body === null ? { headers, signal } : { method: "POST", headers, body, signal }
        )
        const bytes = answer.body === null ? Buffer.alloc(0) : await readBody(answer.body, LONGEST_ANSWER)
        return [answer.status, bytes.toString("utf8")] as const
      },
      catch: (error) => {
        if (error instanceof BodyTooLong) return refused(`${address}: ${error.message}`)
        const cause = error instanceof Error && error.cause instanceof Error ? `: ${error.cause.message}` : ""
        return refused(`cannot reach ${address}${cause}`)
      }
    }).pipe(
      Effect.timeoutOrElse({
        duration: ANSWER_LIMIT,
        orElse: () => Effect.fail(refused(`${address} has not answered within ${ANSWER_LIMIT}`))
      })
    )
    if (status !== 200) return yield* refused(`${address} answered ${status}: ${text}`)
    return yield* Effect.fromResult(
      Result.mapError(decodeJson(PlanReport, text), ({ message }) => refused(`${address}: ${message}`))
    )
  })

const complain = (text: string) => Output.complain(redact(text))

export const plan = (argv: ReadonlyArray<string>): Effect.Effect<number> => {
  if (wantsHelp(argv)) return Effect.as(print(helpText), NOTHING)
  const wanted = choose(argv)
  // Not 2, which a script takes for pending changes.
  if (Result.isFailure(wanted)) return Effect.as(complain(`error: ${wanted.failure.message}`), FAILED)
  const { url, config: file, json: asJson } = wanted.success
  const found = Effect.suspend(() => {
    if (url !== null) return askCompute(url, wanted.success)
    return file === null ? refused("no config") : lookMyself(file, wanted.success)
  })
  return found.pipe(
    Effect.tap((report) => print(asJson ? JSON.stringify(report, null, 2) : planText(report))),
    Effect.map((report) => (changes(report) === 0 ? NOTHING : PENDING)),
    Effect.catch((error) => Effect.as(complain(`Error: ${error.message}`), FAILED))
  )
}

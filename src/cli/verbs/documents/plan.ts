/**
 * `compute_ctl plan`: what applying a spec would change in the catalog, and why. Changes nothing.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { changes, PlanReport, planReport, planText } from "../../../domain/catalog/plan/PlanReport.ts"
import { ignored } from "../../../domain/conf/Check.ts"
import { decodeJson } from "../../../domain/json/decode/Decode.ts"
import { redact } from "../../../domain/observe/Redaction.ts"
import { ComputeConfig } from "../../../domain/spec/ComputeConfig.ts"
import { type ComputeSpec, findSetting } from "../../../domain/spec/ComputeSpec.ts"
import { parseSpec } from "../../../domain/spec/ParsedSpec.ts"
import { dryRun } from "../../../layers/catalog/look/dryRun.ts"
import { limits, readText } from "../../../layers/machine/RegularFile.ts"
import { Sql } from "../../../layers/sql/Sql.ts"
import * as Output from "../../output.ts"
import { print } from "../../output.ts"
import { harmless } from "../../terminal/harmless.ts"
import { ask } from "../computes/ask.ts"
import { placeOf } from "../computes/status/postgres.ts"
import { explained, type TokenOptions, tokenOf } from "../computes/target.ts"

const NOTHING = 0
const FAILED = 1
const PENDING = 2

const ANSWER_LIMIT = "5 minutes"

class PlanRefused extends Data.TaggedError("PlanRefused")<{ readonly message: string }> {}

const complain = (text: string) => Output.complain(redact(text))

const refused = (message: string) => new PlanRefused({ message })

export interface PlanOptions extends TokenOptions {
  readonly config: string | null
  readonly connstr: string | null
  readonly url: string | null
  readonly privilegedRole: string
  readonly lakebase: boolean
  readonly json: boolean
}

const readDocument = (file: string) =>
  Effect.mapError(readText(file, limits.document), ({ reason }) => refused(`cannot read ${file}: ${reason}`))

const readSpec = Effect.fnUntraced(function* (file: string) {
  const text = yield* readDocument(file)
  for (const { message, path } of ignored("config", text)) yield* complain(`warning: ${file}: ${path}: ${message}`)
  const decoded = yield* Effect.fromResult(
    Result.mapError(decodeJson(ComputeConfig, text), ({ message }) => refused(`${file}: ${message}`))
  )
  return decoded.spec === null ? yield* refused(`${file} has no spec`) : decoded.spec
})

const OTHERS = "\n  tip: --connstr URL names another Postgres, --url URL asks a running compute"

/** Where the spec's own Postgres listens. */
const ownPostgres = ({ cluster }: ComputeSpec): string => {
  const line = /^[ \t]*port[ \t]*=[ \t]*'?(\d+)/m.exec(cluster.postgresql_conf ?? "")
  return `postgresql://cloud_admin@localhost:${findSetting(cluster.settings, "port") ?? line?.[1] ?? 5432}/postgres`
}

const lookMyself = Effect.fnUntraced(function* (file: string, wanted: PlanOptions) {
  const spec = yield* readSpec(file)
  const parsed = yield* Effect.fromResult(parseSpec(spec))
  const connstr = wanted.connstr ?? ownPostgres(spec)
  const sql = yield* Effect.provide(Sql, Sql.layerTo(connstr))
  const elsewhere = wanted.connstr === null ? OTHERS : ""
  return planReport(
    yield* Effect.mapError(dryRun(sql, wanted, parsed), ({ message }) =>
      refused(`Postgres at ${placeOf(connstr)}: ${message}${elsewhere}`)
    )
  )
})

/** The compute takes a whole config as well as a spec; one that is wrong is explained here, with its place in the file. */
const configText = (file: string) => Effect.andThen(readSpec(file), readDocument(file))

const askCompute = Effect.fnUntraced(function* (url: string, wanted: PlanOptions) {
  const body = wanted.config === null ? null : yield* configText(wanted.config)
  const target = { url, token: yield* tokenOf(wanted) }
  const text = yield* ask(target, "/plan", { body, limit: ANSWER_LIMIT }).pipe(
    Effect.mapError((error) => refused(explained(error, target)))
  )
  return yield* Effect.fromResult(
    Result.mapError(decodeJson(PlanReport, text), ({ message }) => refused(`${url}: ${message}`))
  )
})

export const plan = (wanted: PlanOptions): Effect.Effect<number> => {
  const { config, json, url } = wanted
  const found = Effect.gen(function* () {
    if (url !== null) return yield* askCompute(url, wanted)
    return yield* config === null ? refused("no config") : lookMyself(config, wanted)
  })
  return found.pipe(
    Effect.tap((report) => print(json ? JSON.stringify(report, null, 2) : harmless(planText(report)))),
    Effect.map((report) => (changes(report) === 0 ? NOTHING : PENDING)),
    Effect.catch((error) => Effect.as(complain(`Error: ${error.message}`), FAILED))
  )
}

/**
 * `compute_ctl report`: one file for who asks for help: what a compute is and has been, without secrets.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { check } from "../../../domain/conf/Check.ts"
import { render } from "../../../domain/conf/PostgresConf.ts"
import { messageOf } from "../../../domain/observe/ErrorChain.ts"
import { redact } from "../../../domain/observe/Redaction.ts"
import type { Target } from "../../../http/client.ts"
import { wallMillis } from "../../../layers/compute/clock/WallClock.ts"
import { BUILD_TAG } from "../../buildTag.ts"
import { UsageError } from "../../flags.ts"
import { complain, print, write } from "../../output.ts"
import { bytes } from "../../terminal/duration.ts"
import { readFile } from "../documents/document.ts"
import { ask } from "./ask.ts"
import { withoutSecrets } from "./report/hide.ts"
import { tail } from "./report/tail.ts"
import { askPostgres } from "./status/postgres.ts"
import { explained, type TargetOptions, targetOf } from "./target.ts"

const WRITTEN = 0
const UNANSWERED = 1

export interface ReportOptions extends TargetOptions {
  readonly output: string | null
  /** Of the compute's Postgres. */
  readonly connstr: string | null
  readonly config: string | null
  readonly log: string | null
  readonly lines: number
}

interface Part {
  readonly title: string
  readonly text: string
}

/** Routes of the external server, in the order in which they are read. */
const ROUTES = [
  "/status",
  "/status/detail",
  "/history",
  "/apply",
  "/activity",
  "/postgres",
  "/metrics.json",
  "/readyz",
  "/metrics"
]

const NOT_TO_BE_HAD = "not to be had: "

const versions = (now: number): Part => ({
  title: "versions",
  text: [
    `report made ${new Date(now).toISOString()}`,
    `compute_ctl ${BUILD_TAG} (Node ${process.versions.node}), which made this report`,
    `${os.type()} ${os.release()} ${os.arch()}, ${os.availableParallelism()} processors, ${bytes(os.totalmem())}`
  ].join("\n")
})

const answered = (target: Target, path: string): Effect.Effect<Part & { readonly isAnswer: boolean }> =>
  ask(target, path).pipe(
    Effect.match({
      onFailure: (error) => ({
        title: path,
        text: `${NOT_TO_BE_HAD}${redact(error._tag === "Unreachable" ? explained(error, target) : error.message)}`,
        isAnswer: false
      }),
      onSuccess: (text) => ({ title: path, text: withoutSecrets(text), isAnswer: true })
    })
  )

/** The document, and the settings that it renders to. */
const configuration = (file: string | null): Effect.Effect<ReadonlyArray<Part>, UsageError> => {
  if (file === null) return Effect.succeed([])
  const context = {
    internalHttpPort: 3081,
    privilegedRole: "neon_superuser",
    strictOvercommit: false,
    lakebase: null,
    tls: false
  }
  return Effect.map(readFile(file), (text) => {
    const conf = Result.gen(function* () {
      const { spec } = yield* Result.mapError(check("config", text, context), () => "it could not be run")
      if (spec === null) return yield* Result.fail("there is no spec")
      return yield* Result.mapError(render(spec.spec, context), ({ message }) => message)
    })
    return [
      { title: "configuration", text: withoutSecrets(text) },
      {
        title: "postgresql.conf",
        text: redact(Result.merge(conf))
      }
    ]
  })
}

/** What Postgres says of itself, its running configuration included. */
const postgresOf = (connstr: string | null): Effect.Effect<ReadonlyArray<Part>> =>
  connstr === null
    ? Effect.succeed([])
    : Effect.map(askPostgres(connstr), (asked) => [{ title: "Postgres", text: redact(JSON.stringify(asked, null, 2)) }])

const logOf = ({ lines, log }: ReportOptions): Effect.Effect<ReadonlyArray<Part>, UsageError> =>
  log === null
    ? Effect.succeed([])
    : Effect.map(tail(log, lines), (text) => [{ title: `the last lines of ${log}`, text: redact(text) }])

const reportText = (parts: ReadonlyArray<Part>): string =>
  parts.map(({ text, title }) => `===== ${title} =====\n${text.trimEnd()}\n`).join("\n")

/** Nobody else may read it, and nothing is overwritten. */
const save = (file: string, text: string) =>
  Effect.try({
    try: () => fs.writeFileSync(file, text, { mode: 0o600, flag: "wx" }),
    catch: (error) => new UsageError({ message: `cannot write ${file}: ${messageOf(error)}` })
  })

export const report = Effect.fnUntraced(function* (given: ReportOptions) {
  const target = yield* targetOf(given)
  const now = yield* wallMillis
  const answers = yield* Effect.forEach(ROUTES, (path) => answered(target, path), { concurrency: 4 })
  const isAnswered = answers.some(({ isAnswer }) => isAnswer)
  const files = [
    ...(yield* postgresOf(given.connstr)),
    ...(yield* configuration(given.config)),
    ...(yield* logOf(given))
  ]
  if (!isAnswered && files.length === 0) {
    yield* complain(`Error: there is nothing to report: ${answers[0]?.text.replace(NOT_TO_BE_HAD, "") ?? ""}`)
    return UNANSWERED
  }
  const parts = [versions(now), ...answers, ...files]
  const file = given.output ?? `compute_ctl-report-${new Date(now).toISOString().slice(0, 19).replaceAll(":", "")}.txt`
  if (file === "-") yield* write(reportText(parts))
  else {
    yield* save(file, reportText(parts))
    yield* print(file)
  }
  if (isAnswered) return WRITTEN
  yield* complain(`Error: ${target.url} has answered nothing; the report says why`)
  return UNANSWERED
})

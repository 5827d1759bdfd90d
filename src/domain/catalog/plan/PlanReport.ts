/**
 * A plan for readers: the answer of `/plan`, the output of `compute_ctl plan`. It never holds a secret.
 */
import * as Schema from "effect/Schema"
import type { Plan } from "./Step.ts"

const StepReport = Schema.Struct({
  object: Schema.String,
  reason: Schema.String,
  /** Null: the system database. */
  database: Schema.NullOr(Schema.String),
  sql: Schema.String
}).annotate({ identifier: "PlannedStep" })

const PhaseReport = Schema.Struct({ phase: Schema.String, steps: Schema.Array(StepReport) }).annotate({
  identifier: "PlannedPhase"
})

const SettingReport = Schema.Struct({
  name: Schema.String,
  /** Null: Postgres' own default. Secrets are hidden. */
  from: Schema.NullOr(Schema.String),
  to: Schema.NullOr(Schema.String),
  /** `extension`: one of an extension that is not known here, which may want a restart. */
  taken_by: Schema.Literals(["reload", "restart", "extension"])
}).annotate({ identifier: "PlannedSetting" })

export const PlanReport = Schema.Struct({
  phases: Schema.Array(PhaseReport),
  warnings: Schema.Array(Schema.String),
  /** What its `postgresql.conf` would have otherwise; where another spec than the present one is asked about. */
  settings: Schema.optionalKey(Schema.Array(SettingReport))
})
export type PlanReport = typeof PlanReport.Type

export const planReport = ({ phases, warnings }: Plan): PlanReport => ({
  phases: phases.map(({ name, steps, databases }) => ({
    phase: name,
    steps: [...steps, ...databases.flatMap((work) => work.steps)].map(({ object, reason, database, refused, sql }) => ({
      object,
      reason: refused === null ? reason : `refused: ${refused}`,
      database,
      sql
    }))
  })),
  warnings
})

export const changes = (report: PlanReport): number => report.phases.reduce((sum, { steps }) => sum + steps.length, 0)

const indented = (sql: string): string => sql.replaceAll("\n", "\n        ")

const TAKEN = {
  reload: "at once",
  restart: "waits for a restart",
  extension: "at once, unless the extension wants a restart"
} as const

/** They are no change of the catalog, and not counted as one. */
const settingLines = (settings: PlanReport["settings"] = []): ReadonlyArray<string> =>
  settings.map(
    ({ from, name, taken_by, to }) =>
      `  - ${name}: ${from ?? "its default"} -> ${to ?? "its default"} (${TAKEN[taken_by]})`
  )

/** One paragraph per phase; a step's statement stands below its reason. */
export const planText = (report: PlanReport): string => {
  const phases = report.phases
    .filter(({ steps }) => steps.length > 0)
    .map(({ phase, steps }) =>
      [
        phase,
        ...steps.map(
          ({ object, reason, database, sql }) =>
            `  - ${object}: ${reason}${database === null ? "" : ` (in database ${JSON.stringify(database)})`}\n` +
            `        ${indented(sql)}`
        )
      ].join("\n")
    )
  const settings = settingLines(report.settings)
  const count = changes(report)
  const summary = count === 0 ? "nothing to do" : `${count} ${count === 1 ? "change" : "changes"} pending`
  return [
    ...phases,
    ...(settings.length > 0 ? ["settings", ...settings] : []),
    ...report.warnings.map((warning) => `warning: ${warning}`),
    settings.length > 0 && count === 0 ? "nothing to do in the catalog" : summary
  ].join("\n")
}

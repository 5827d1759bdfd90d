/** Prometheus' own tool as a test rig: series in, what rules and queries make of them out. No server, no time passes. */
import { spawnSync } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { fileURLToPath } from "node:url"

export const RULES = fileURLToPath(new URL("../../deploy/prometheus-rules.yaml", import.meta.url))

export const hasPromtool = spawnSync("promtool", ["--version"]).error === undefined
if (!hasPromtool) console.warn("skipped: promtool (Debian's package prometheus) is not installed, no rule is tried")

/** Seconds between two values of a series. */
export const INTERVAL = 15

/** Values as promtool writes them: `1x3` is four of them, `_x3` three that are missing, `stale` the end of a series. */
export type Series = Readonly<Record<string, string>>

export interface Question {
  readonly expr: string
  /** As `4m`. */
  readonly at: string
  /** One for each result: its labels and its value. */
  readonly found: ReadonlyArray<readonly [labels: string, value: number]>
}

export interface Scenario {
  readonly name: string
  readonly series: Series
  readonly questions: ReadonlyArray<Question>
}

/** What promtool complains of; empty when all is as it should be. */
export const complaints = (scenarios: ReadonlyArray<Scenario>): string => {
  const folder = mkdtempSync(join(tmpdir(), "promtool-"))
  try {
    const file = join(folder, "test.yaml")
    const tests = scenarios.map(({ name, series, questions }) => ({
      name,
      interval: `${INTERVAL}s`,
      input_series: Object.entries(series).map(([key, values]) => ({ series: key, values })),
      promql_expr_test: questions.map(({ expr, at, found }) => ({
        expr,
        eval_time: at,
        exp_samples: found.map(([labels, value]) => ({ labels, value }))
      }))
    }))
    // YAML has JSON in it.
    writeFileSync(file, JSON.stringify({ rule_files: [RULES], evaluation_interval: `${INTERVAL}s`, tests }))
    const run = spawnSync("promtool", ["test", "rules", file], { encoding: "utf8" })
    return run.status === 0 ? "" : `${run.stdout}${run.stderr}`
  } finally {
    rmSync(folder, { recursive: true })
  }
}

/**
 * Whether the dashboard has something to show, and the alerts are right, of a compute that lives a whole life: its scrapes
 * become the series of Prometheus' own test tool, each of them as if it had been the same for six minutes.
 */
import { readFileSync } from "node:fs"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { complaints, hasPromtool, INTERVAL, type Question, type Series } from "../deploy/promtool.ts"
import { startCompute } from "../rig/compute.ts"
import { startEmulator } from "../rig/emulator.ts"
import { makeConfig } from "../rig/spec.ts"
import { parseExposition } from "../rig/strictExposition.ts"

interface Panel {
  readonly title: string
  readonly targets?: ReadonlyArray<{ readonly expr: string }>
}
const dashboard: { readonly panels: ReadonlyArray<Panel> } = JSON.parse(
  readFileSync(new URL("../../deploy/grafana-dashboard.json", import.meta.url), "utf8")
)
const expressions = dashboard.panels.flatMap(({ title, targets = [] }) =>
  targets.map(({ expr }) => ({
    title,
    expr: expr.replaceAll("$__rate_interval", "1m").replaceAll("$instance", ".*")
  }))
)

/** Values that a scrape stands for. */
const EACH = 24
/** Where scrape number `index` is new, in promtool's words. */
const arrival = (index: number) => `${(index * EACH + 1) * INTERVAL}s`
const end = (index: number) => `${((index + 1) * EACH - 1) * INTERVAL}s`

const LABELS = 'instance="c1:3080",job="compute"'

/** Null: the target did not answer. */
const seriesOf = (scrapes: ReadonlyArray<string | null>): Series => {
  const all = new Map<string, Array<string>>([
    [`up{${LABELS}}`, scrapes.map((scrape) => `${scrape === null ? 0 : 1}x${EACH - 1}`)]
  ])
  scrapes.forEach((scrape, index) => {
    for (const { samples } of parseExposition(scrape ?? "")) {
      for (const { name, labels, value } of samples) {
        const own = Object.entries(labels).map(([label, text]) => `,${label}=${JSON.stringify(text)}`)
        const key = `${name}{${LABELS}${own.join("")}}`
        const values = all.get(key) ?? scrapes.map((_, at) => (at === 0 ? `_x${EACH}` : `stale _x${EACH - 1}`))
        values[index] = `${value}x${EACH - 1}`
        all.set(key, values)
      }
    }
  })
  return Object.fromEntries([...all].map(([key, values]) => [key, values.join(" ")]))
}

/** Nothing is left of what is not a number, and of nothing there is no count. */
const isNumber = (expr: string, at: string): Question => ({
  expr: `count((${expr}) == (${expr})) > bool 0`,
  at,
  found: [["{}", 1]]
})
const isMore = (expr: string, at: string): Question => ({ expr: `max(${expr}) > bool 0`, at, found: [["{}", 1]] })
/** A machine under load may be slow. */
const firing = (at: string, names: ReadonlyArray<string>): Question => ({
  expr: 'count by (alertname) (ALERTS{alertstate="firing",alertname!~"Compute(Start|Sync)Slow"})',
  at,
  found: names.map((name) => [`{alertname="${name}"}`, 1] as const)
})

/** What has happened to every compute that runs. */
const NEVER_ZERO = [
  ...["Computes by status", "Versions", "Status changes", "compute_ctl memory", "Steps, median"],
  ...["Steps, 99th percentile", "Safekeepers in sync", "Basebackup bytes", "Catalog and reconfiguration"],
  ...["Requests", "Mean latency"]
]

it.live.skipIf(!hasPromtool)(
  "every panel has a number for a compute that started, failed, was reconfigured and ended, and its end fires nothing",
  () =>
    Effect.gen(function* () {
      const emulator = yield* startEmulator()
      const compute = yield* startCompute({ emulator, spec: null })
      const scrape = Effect.map(compute.http({ path: "/metrics", token: null }), ({ body }) => body)
      yield* compute.waitFor("empty")
      const empty = yield* scrape
      assert.strictEqual(
        (yield* compute.http({ method: "POST", path: "/configure", body: makeConfig(compute.spec) })).status,
        200
      )
      const running = yield* scrape
      yield* compute.http({ path: "/status" })
      const used = yield* scrape
      const settings = [{ name: "work_mem", value: null, vartype: "string" }]
      const bad = { ...compute.spec, cluster: { ...compute.spec["cluster"], settings } }
      assert.strictEqual((yield* compute.configure(bad)).status, 500)
      const failed = yield* scrape
      assert.strictEqual((yield* compute.configure(compute.spec)).status, 200)
      const again = yield* scrape
      assert.strictEqual((yield* compute.http({ method: "POST", path: "/terminate" })).status, 200)
      yield* compute.waitFor("terminated")
      const terminated = yield* scrape
      compute.signal("SIGTERM")
      yield* compute.ended

      // A fleet is scraped each few seconds: sixteen buckets for each of a dozen durations were ten kilobytes more.
      assert.isBelow(used.length, 7000)
      const scrapes = [empty, running, used, failed, again, terminated, null, null, null]
      const alive = [1, 2, 3, 4]
      const questions = [
        ...alive.flatMap((index) => expressions.map(({ expr }) => isNumber(expr, arrival(index)))),
        ...expressions
          .filter(({ title }) => NEVER_ZERO.includes(title))
          .filter(({ expr }) => !/0\.5.*catalog/.test(expr))
          .map(({ expr }) => isMore(expr, arrival(4))),
        firing(end(2), []),
        firing(arrival(3), ["ComputeFailed"]),
        ...[4, 5, 6, 7, 8].map((index) => firing(end(index), []))
      ]
      assert.strictEqual(complaints([{ name: "a life", series: seriesOf(scrapes), questions }]), "")
    }),
  300_000
)

import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import {
  descriptorShortages,
  families,
  httpConnectionsClosed,
  logLinesDropped,
  uncaughtErrors,
  waitsExpired
} from "../../src/domain/observe/MetricFamilies.ts"

const file = (name: string) => fileURLToPath(new URL(`../../deploy/${name}`, import.meta.url))
const rules = readFileSync(file("prometheus-rules.yaml"), "utf8")
const dashboard = readFileSync(file("grafana-dashboard.json"), "utf8")

interface Panel {
  readonly id: number
  readonly title: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly type: string
  readonly description?: string
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string } }
  readonly targets?: ReadonlyArray<{ readonly expr: string; readonly legendFormat: string }>
}
const panels: ReadonlyArray<Panel> = JSON.parse(dashboard).panels
/** In one line, or in an indented block. */
const ruled = [...rules.matchAll(/^ +expr: (?:\|\n((?: {10}.*\n)+)|(.*)$)/gm)].map(
  ([, block, line]) => block ?? line ?? ""
)
const recorded = [...rules.matchAll(/^ +- record: (.*)$/gm)].map(([, name]) => name)
const expressions = [...ruled, ...panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))]

/** Metrics in an expression, with the labels it selects or groups by. */
const metricsIn = (expression: string) =>
  [...expression.matchAll(/\b(?:compute_|pg_cctl_|process_)[\w:]+/g)]
    .map(([name]) => name)
    .filter((name) => !recorded.includes(name))

const familyOf = (metric: string) =>
  families.find(({ name, type }) =>
    type === "summary" ? [`${name}_sum`, `${name}_count`].includes(metric) : name === metric
  )

/** Labels that every scrape adds. */
const COMMON = ["instance", "job"]

describe("deploy", () => {
  it("asks only for metrics and labels that there are", () => {
    assert.isAbove(expressions.length, 40)
    for (const expression of expressions) {
      const metrics = metricsIn(expression)
      assert.match(expression, /\b(?:compute_|pg_cctl_|process_)/)
      const labels = new Set(COMMON)
      for (const metric of metrics) {
        const family = familyOf(metric)
        assert.isDefined(family, `${metric} in ${expression}`)
        for (const label of family?.labels ?? []) labels.add(label)
      }
      const grouped = [...expression.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = ""]) => list.split(/,\s*/))
      const selected = [...expression.matchAll(/(\w+)\s*(?:=~|!~|!=|=)\s*"/g)].map(([, label = ""]) => label)
      for (const label of [...grouped, ...selected]) assert.isTrue(labels.has(label), `${label} in ${expression}`)
    }
  })

  it("shows every family", () => {
    const shown = new Set(panels.flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => metricsIn(expr))))
    for (const family of families) {
      assert.isTrue(
        [...shown].some((metric) => familyOf(metric) === family),
        family.name
      )
    }
  })

  it("warns of what nobody would look for by himself", () => {
    const warned = ruled.flatMap(metricsIn)
    for (const { name } of [
      httpConnectionsClosed,
      descriptorShortages,
      logLinesDropped,
      uncaughtErrors,
      waitsExpired
    ]) {
      assert.include(warned, name)
    }
  })

  it("says of each panel what it shows, in what unit, and whose each line is", () => {
    const shown = panels.filter(({ type }) => type !== "row")
    assert.isAbove(shown.length, 30)
    for (const { description, fieldConfig, targets = [], title } of shown) {
      assert.match(description ?? "", /\.$/, title)
      assert.isNotEmpty(fieldConfig?.defaults.unit, title)
      for (const { expr, legendFormat } of targets) {
        assert.isNotEmpty(legendFormat, title)
        const grouped = /^(?:topk\(10, )?(?:time\(\) - )?(?:sum|max|count|quantile)\b(?: by \(([^)]*)\))?/.exec(expr)
        const labels = grouped === null ? ["instance"] : (grouped[1] ?? "").split(/, */).filter((label) => label !== "")
        for (const label of labels) assert.include(legendFormat, `{{${label}}}`, title)
      }
    }
  })

  it("lays its panels out side by side", () => {
    assert.strictEqual(new Set(panels.map(({ id }) => id)).size, panels.length)
    for (const a of panels) {
      assert.isAtMost(a.gridPos.x + a.gridPos.w, 24)
      for (const b of panels) {
        if (a.id >= b.id) continue
        const apart =
          a.gridPos.x + a.gridPos.w <= b.gridPos.x ||
          b.gridPos.x + b.gridPos.w <= a.gridPos.x ||
          a.gridPos.y + a.gridPos.h <= b.gridPos.y ||
          b.gridPos.y + b.gridPos.h <= a.gridPos.y
        assert.isTrue(apart, `${a.title} and ${b.title}`)
      }
    }
  })

  it("explains every alert, and names the compute and a page about it", () => {
    const index = readFileSync(fileURLToPath(new URL("../../docs/runbooks/index.md", import.meta.url)), "utf8")
    const alerts = rules.split(/^\s+- alert: /m).slice(1)
    assert.isAbove(alerts.length, 10)
    for (const alert of alerts) {
      const name = alert.split("\n")[0]
      for (const member of ["expr:", "severity:", "summary:", "description:", "{{ $labels.instance }}"]) {
        assert.include(alert, member)
      }
      const page = `docs/runbooks/${name}.md`
      assert.include(alert, `runbook_url: ${page}\n`)
      const text = readFileSync(fileURLToPath(new URL(`../../${page}`, import.meta.url)), "utf8")
      for (const part of [`# ${name}\n`, "What it means", "Where to look", "What to do", "Good again"]) {
        assert.include(text, part.startsWith("#") ? part : `## ${part}\n`, page)
      }
      assert.match(text, /^```$/m, page)
      assert.include(index, `[${name}](./${name})`)
    }
    for (const grouped of ruled.flatMap((expression) => [...expression.matchAll(/ by \(([^)]*)\)/g)])) {
      assert.include(grouped[1], "instance")
    }
  })

  const promtool = spawnSync("promtool", ["--version"])
  it.skipIf(promtool.error !== undefined)("passes promtool", () => {
    const checked = spawnSync("promtool", ["check", "rules", file("prometheus-rules.yaml")], { encoding: "utf8" })
    assert.strictEqual(checked.status, 0, checked.stderr)
  })
})

/**
 * Prometheus' text format 0.0.4.
 *
 * Source: prometheus.io/docs/instrumenting/exposition_formats; `compute_tools/src/http/routes/metrics.rs`.
 */
import type { MetricFamily } from "./MetricFamilies.ts"

export type Labels = Readonly<Record<string, string>>

/** One value of a counter or gauge; of a summary the sum of `count` values. */
export interface Sample {
  readonly labels: Labels
  readonly value: number
  readonly count?: number
}

const escapeHelp = (text: string) => text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")
const escapeLabel = (text: string) => escapeHelp(text).replaceAll('"', '\\"')

const formatValue = (value: number): string =>
  value === Number.POSITIVE_INFINITY ? "+Inf" : value === Number.NEGATIVE_INFINITY ? "-Inf" : String(value)

const sorted = new WeakMap<MetricFamily, ReadonlyArray<string>>()

const sortedLabels = (family: MetricFamily): ReadonlyArray<string> => {
  const known = sorted.get(family)
  if (known !== undefined) return known
  const names = family.labels.toSorted()
  sorted.set(family, names)
  return names
}

/** `name="value"` pairs of exactly the family's labels, sorted by name; one that was not given is empty. */
export const labelText = (family: MetricFamily, labels: Labels): string =>
  sortedLabels(family)
    .map((name) => `${name}="${escapeLabel(labels[name] ?? "")}"`)
    .join(",")

const line = (name: string, labels: string, value: number) =>
  `${name}${labels === "" ? "" : `{${labels}}`} ${formatValue(value)}\n`

const heads = new WeakMap<MetricFamily, string>()

const headOf = (family: MetricFamily): string => {
  const known = heads.get(family)
  if (known !== undefined) return known
  const head = `# HELP ${family.name} ${escapeHelp(family.help)}\n# TYPE ${family.name} ${family.type}\n`
  heads.set(family, head)
  return head
}

const textOf = ({ name, type }: MetricFamily, labels: string, { value, count = 0 }: Sample): string =>
  type === "summary"
    ? `${line(`${name}_sum`, labels, value)}${line(`${name}_count`, labels, count)}`
    : line(name, labels, value)

/** A family with its head; nothing when it has no samples. */
export const render = (family: MetricFamily, samples: ReadonlyArray<Sample>): string => {
  if (samples.length === 0) return ""
  const body = samples.map((sample) => {
    const key = labelText(family, sample.labels)
    return { key, text: textOf(family, key, sample) }
  })
  body.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
  return headOf(family) + body.map(({ text }) => text).join("")
}

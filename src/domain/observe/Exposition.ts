/**
 * Prometheus' text format 0.0.4.
 *
 * Source: prometheus.io/docs/instrumenting/exposition_formats; `compute_tools/src/http/routes/metrics.rs`.
 */
import type { MetricFamily } from "./MetricFamilies.ts"

/** Without a charset parameter, as the original sends it. */
export const contentType = "text/plain; version=0.0.4"

export type Labels = Readonly<Record<string, string>>

/** One value of a counter or gauge. */
export interface Sample {
  readonly labels: Labels
  readonly value: number
}

/** One label set of a histogram; `counts` are not cumulative: one for each bucket of the family, then the rest. */
export interface Distribution {
  readonly labels: Labels
  readonly counts: ReadonlyArray<number>
  readonly sum: number
}

export interface Collected {
  readonly family: MetricFamily
  readonly samples: ReadonlyArray<Sample>
  readonly distributions: ReadonlyArray<Distribution>
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

const renderDistribution = (family: MetricFamily, { labels, counts, sum }: Distribution): string => {
  const own = labelText(family, labels)
  const bounds = [...(family.buckets ?? []), Number.POSITIVE_INFINITY]
  let total = 0
  const buckets = bounds.map((bound, index) => {
    total += counts[index] ?? 0
    return line(`${family.name}_bucket`, `${own}${own === "" ? "" : ","}le="${formatValue(bound)}"`, total)
  })
  return `${buckets.join("")}${line(`${family.name}_sum`, own, sum)}${line(`${family.name}_count`, own, total)}`
}

/** A family with its head; nothing when it has no samples. */
export const renderFamily = ({ family, samples, distributions }: Collected): string => {
  const body =
    family.type === "histogram"
      ? distributions.map((distribution) => ({
          key: labelText(family, distribution.labels),
          text: renderDistribution(family, distribution)
        }))
      : samples.map(({ labels, value }) => {
          const key = labelText(family, labels)
          return { key, text: line(family.name, key, value) }
        })
  if (body.length === 0) return ""
  body.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
  const head = `# HELP ${family.name} ${escapeHelp(family.help)}\n# TYPE ${family.name} ${family.type}\n`
  return head + body.map(({ text }) => text).join("")
}

/** The families in the order given; one without samples is left out, its head included. */
export const render = (collected: ReadonlyArray<Collected>): string => collected.map(renderFamily).join("")

/**
 * The text of `/metrics`, read: lines of the text format of Prometheus, as far as those need it who look at a compute.
 */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/
/** One after the other from the beginning on. */
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)",?/gy

export const samplesOf = (text: string): ReadonlyArray<Sample> =>
  text.split("\n").flatMap((line) => {
    const found = LINE.exec(line)
    if (found === null) return []
    const [, name = "", labels = "", value = ""] = found
    const pairs = [...labels.matchAll(LABEL)].map(([, key = "", text = ""]) => [key, text.replace(/\\(.)/g, "$1")])
    return [{ name, labels: Object.fromEntries(pairs), value: Number(value) }]
  })

/** The sum over all that has these labels; null when nothing has. */
export const total = (samples: ReadonlyArray<Sample>, name: string, labels: Readonly<Record<string, string>> = {}) => {
  const found = samples.filter(
    (sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value)
  )
  return found.length === 0 ? null : found.reduce((sum, { value }) => sum + value, 0)
}

/** A parser of the text format that forgives nothing. */
export interface ParsedFamily {
  readonly name: string
  readonly type: string
  readonly samples: Array<{ name: string; labels: Record<string, string>; labelNames: Array<string>; value: number }>
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/s
const LABEL = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"(,|$)/

const parseLabels = (text: string) => {
  const labels: Record<string, string> = {}
  const names: Array<string> = []
  let rest = text
  while (rest !== "") {
    const match = LABEL.exec(rest)
    if (match === null) throw new Error(`bad labels: ${text}`)
    const [whole, name, value] = match as unknown as [string, string, string]
    if (names.includes(name)) throw new Error(`label twice: ${text}`)
    names.push(name)
    labels[name] = value.replace(/\\(\\|"|n)/g, (_, c: string) => (c === "n" ? "\n" : c))
    rest = rest.slice(whole.length)
    if (whole.endsWith(",") && rest === "") throw new Error(`trailing comma: ${text}`)
  }
  return { labels, names }
}

const parseValue = (text: string) => {
  if (text === "+Inf") return Number.POSITIVE_INFINITY
  if (text === "-Inf") return Number.NEGATIVE_INFINITY
  if (text !== "NaN" && !/^-?\d+(\.\d+)?(e[+-]?\d+)?$/.test(text)) throw new Error(`bad value ${text}`)
  return Number(text)
}

export const parseExposition = (text: string): ReadonlyArray<ParsedFamily> => {
  if (text !== "" && !text.endsWith("\n")) throw new Error("no final line feed")
  const families: Array<ParsedFamily> = []
  let help: string | null = null
  const seen = new Set<string>()
  for (const line of text.split("\n").slice(0, -1)) {
    if (line.startsWith("# HELP ")) {
      const name = line.split(" ")[2] ?? ""
      if (help !== null) throw new Error(`HELP without TYPE before: ${line}`)
      if (!NAME.test(name) || families.some((family) => family.name === name)) throw new Error(`bad HELP: ${line}`)
      help = name
    } else if (line.startsWith("# TYPE ")) {
      const [, , name = "", type = ""] = line.split(" ")
      if (help !== name) throw new Error(`TYPE without its HELP: ${line}`)
      if (!["counter", "gauge", "summary"].includes(type)) throw new Error(`bad type: ${line}`)
      families.push({ name, type, samples: [] })
      help = null
    } else {
      const match = SAMPLE.exec(line)
      const family = families.at(-1)
      if (match === null || family === undefined || help !== null) throw new Error(`bad line: ${line}`)
      const [, name = "", labels = "", value = ""] = match
      const belongs =
        family.type === "summary" ? [`${family.name}_sum`, `${family.name}_count`].includes(name) : name === family.name
      if (!belongs) throw new Error(`${name} under ${family.name}`)
      const key = `${name}{${labels}}`
      if (seen.has(key)) throw new Error(`sample twice: ${line}`)
      seen.add(key)
      const parsed = parseLabels(labels)
      family.samples.push({ name, labels: parsed.labels, labelNames: parsed.names, value: parseValue(value) })
    }
  }
  if (families.some((family) => family.samples.length === 0)) throw new Error("family without samples")
  return families
}

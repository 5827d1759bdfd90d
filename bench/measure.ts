/**
 * Numbers of one scenario over its runs, and how they are shown.
 */
export interface Series {
  readonly name: string
  readonly unit: string
  readonly values: ReadonlyArray<number>
}

const sorted = (values: ReadonlyArray<number>) => [...values].sort((a, b) => a - b)

export const median = (values: ReadonlyArray<number>): number =>
  sorted(values)[Math.floor(values.length / 2)] ?? Number.NaN

export const smallest = (values: ReadonlyArray<number>): number => sorted(values)[0] ?? Number.NaN

const digits = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(1))

/** One line per figure: a column per program, and from the second on its ratio to the first. */
export const table = (programs: ReadonlyArray<string>, series: ReadonlyArray<ReadonlyArray<Series>>): string => {
  const names = [...new Set(series.flatMap((all) => all.map(({ name }) => name)))]
  const rows = names.map((name) => {
    const found = series.map((all) => all.find((one) => one.name === name))
    const first = found[0] === undefined ? Number.NaN : median(found[0].values)
    const cells = found.map((one, at) => {
      if (one === undefined || one.values.length === 0) return "-"
      const middle = median(one.values)
      const ratio = at === 0 ? "" : ` (x${(middle / first).toFixed(2)})`
      return `${digits(middle)} ${one.unit}${ratio}, least ${digits(smallest(one.values))}`
    })
    return `| ${name} | ${cells.join(" | ")} |`
  })
  return [`| median | ${programs.join(" | ")} |`, `|---|${programs.map(() => "---|").join("")}`, ...rows].join("\n")
}

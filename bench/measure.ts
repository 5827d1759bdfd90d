/**
 * Numbers of one program over its runs, and how they are shown.
 */
import { held } from "./processor.ts"

export interface Series {
  readonly name: string
  readonly unit: string
  readonly values: ReadonlyArray<number>
}

const sorted = (values: ReadonlyArray<number>) => [...values].sort((a, b) => a - b)

export const median = (values: ReadonlyArray<number>): number =>
  sorted(values)[Math.floor(values.length / 2)] ?? Number.NaN

export const smallest = (values: ReadonlyArray<number>): number => sorted(values)[0] ?? Number.NaN

/** The value that this share of the values does not exceed. */
export const quantile = (values: ReadonlyArray<number>, share: number): number =>
  sorted(values)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN

/** Collects what was measured under its name. */
export class Figures {
  readonly #known = new Map<string, { readonly unit: string; readonly values: Array<number> }>()

  /** What could not be measured is left out. */
  note(name: string, unit: string, value: number): void {
    if (Number.isNaN(value)) return
    const known = this.#known.get(name) ?? { unit, values: [] }
    known.values.push(value)
    this.#known.set(name, known)
  }

  get series(): ReadonlyArray<Series> {
    return [...this.#known].map(([name, one]) => ({ name, ...one }))
  }
}

const digits = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(1))

export const noteMemory = (figures: Figures, name: string, pid: number) => {
  const { resident, share, anonymous } = held(pid)
  figures.note(`${name}, resident`, "MB", resident)
  figures.note(`${name}, proportional share`, "MB", share)
  figures.note(`${name}, anonymous`, "MB", anonymous)
}

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

/** The same for other programs, with every single value. */
export const json = (
  machine: string,
  programs: ReadonlyArray<string>,
  series: ReadonlyArray<ReadonlyArray<Series>>
): string =>
  JSON.stringify(
    {
      machine,
      programs: programs.map((program, at) => ({
        program,
        figures: (series[at] ?? []).map((one) => ({
          ...one,
          median: median(one.values),
          least: smallest(one.values)
        }))
      }))
    },
    null,
    1
  )

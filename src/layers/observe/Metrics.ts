/**
 * The Prometheus registry: what happens is kept; what is, is asked at scrape time, so that it is never stale.
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { type Labels, labelText, render, type Sample } from "../../domain/observe/Exposition.ts"
import { families, type MetricFamily, stepSeconds } from "../../domain/observe/MetricFamilies.ts"
import { outcomeOf, type TimedStep } from "../../domain/observe/Outcome.ts"

export type { Labels, Sample } from "../../domain/observe/Exposition.ts"

export class Metrics extends Context.Service<
  Metrics,
  {
    /** Adds to a counter; 1 by default. */
    readonly increment: (family: MetricFamily, labels?: Labels, by?: number) => Effect.Effect<void>
    /** Adds a value to a summary. */
    readonly observe: (family: MetricFamily, labels: Labels, value: number) => Effect.Effect<void>
    /** The last value of a gauge. Of all outcomes there is one, the last. */
    readonly set: (family: MetricFamily, labels: Labels, value: number) => Effect.Effect<void>
    /** The samples of a gauge, or of a counter that somebody else keeps, for as long as the scope is open. */
    readonly gauge: (
      family: MetricFamily,
      samples: Effect.Effect<ReadonlyArray<Sample>>
    ) => Effect.Effect<void, never, Scope.Scope>
    /** The whole exposition, format 0.0.4. */
    readonly render: Effect.Effect<string>
  }
>()("compute/Metrics") {
  static readonly layer = Layer.sync(this, () => make())
}

interface Kept {
  labels: Labels
  value: number
  count: number
}

/** What is counted of one family, and its exposition as long as nothing was counted since and who is asked says the same. */
interface Counted {
  readonly series: Map<string, Kept>
  asked: ReadonlyArray<Sample>
  text: string | null
}

type Source = Effect.Effect<ReadonlyArray<Sample>>

const entry = <K, V>(map: Map<K, V>, key: K, create: () => V): V => {
  const found = map.get(key)
  if (found !== undefined) return found
  const created = create()
  map.set(key, created)
  return created
}

const sameLabels = (one: Labels, other: Labels): boolean => {
  const names = Object.keys(one)
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name])
}

const sameSamples = (some: ReadonlyArray<Sample>, others: ReadonlyArray<Sample>): boolean =>
  some.length === others.length &&
  some.every((one, index) => {
    const other = others[index]
    return (
      other !== undefined &&
      one.value === other.value &&
      one.count === other.count &&
      sameLabels(one.labels, other.labels)
    )
  })

/** Seconds, no finer than anybody looks at them. */
const toMicros = (seconds: number): number => Math.round(seconds * 1e6) / 1e6

/** A source with a defect costs its own samples, not the scrape. */
const heard = (family: MetricFamily) => (source: Source) =>
  Effect.catchCause(source, (cause) =>
    Effect.as(Effect.logWarning(`could not collect ${family.name}`, cause), [] as ReadonlyArray<Sample>)
  )

const make = (): Metrics["Service"] => {
  const kept = new Map<string, Counted>()
  const sources = new Map<string, Set<Source>>()

  const counted = (family: MetricFamily): Counted =>
    entry(kept, family.name, () => ({ series: new Map<string, Kept>(), asked: [], text: null }))

  /** The series to change; its family's text is made anew at the next scrape. */
  const series = (family: MetricFamily, labels: Labels, key: string): Kept => {
    const all = counted(family)
    all.text = null
    return entry(all.series, key, () => ({ labels, value: 0, count: 0 }))
  }

  const exposed = (family: MetricFamily, asked: ReadonlyArray<Sample>): string => {
    const all = counted(family)
    if (all.text !== null && sameSamples(all.asked, asked)) return all.text
    const samples: ReadonlyArray<Sample> = [...asked, ...all.series.values()]
    all.text = render(family, samples.length === 0 && family.fromZero ? [{ labels: {}, value: 0 }] : samples)
    // A source may go on with the list, or with a sample, that it gave.
    all.asked = asked.map((sample) => ({ ...sample, labels: { ...sample.labels } }))
    return all.text
  }

  /** Most families are only counted: nothing is asked for them. Nothing is written that did not change. */
  const textOf = (family: MetricFamily): string | Effect.Effect<string> => {
    const asked = sources.get(family.name)
    if (asked !== undefined && asked.size > 0) {
      return Effect.map(Effect.forEach(asked, heard(family)), (samples) => exposed(family, samples.flat()))
    }
    return exposed(family, [])
  }

  const renderAll = Effect.suspend(() => {
    const texts = families.map(textOf)
    const asked = texts.filter((text) => typeof text !== "string")
    return Effect.map(Effect.all(asked), (found) => {
      const answers = found.values()
      return texts.map((text) => (typeof text === "string" ? text : answers.next().value)).join("")
    })
  })

  return Metrics.of({
    increment: (family, labels = {}, by = 1) =>
      Effect.sync(() => {
        series(family, labels, labelText(family, labels)).value += by
      }),
    observe: (family, labels, value) =>
      Effect.sync(() => {
        const sum = series(family, labels, labelText(family, labels))
        sum.count += 1
        sum.value = toMicros(sum.value + value)
      }),
    set: (family, labels, value) =>
      Effect.sync(() => {
        const last = series(family, labels, labelText(family, { ...labels, outcome: "" }))
        last.labels = labels
        last.value = value
      }),
    gauge: (family, samples) =>
      Effect.acquireRelease(
        Effect.sync(() => entry(sources, family.name, () => new Set<Source>()).add(samples)),
        () => Effect.sync(() => sources.get(family.name)?.delete(samples))
      ),
    render: renderAll
  })
}

/** Tells how long a step took, in seconds, whatever its end. */
export const timed =
  (step: TimedStep) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R | Metrics> =>
    Effect.gen(function* () {
      const metrics = yield* Metrics
      const begin = yield* Clock.currentTimeNanos
      return yield* Effect.onExit(effect, (exit) =>
        Effect.flatMap(Clock.currentTimeNanos, (end) =>
          metrics.set(stepSeconds, { step, outcome: outcomeOf(exit) }, toMicros(Number(end - begin) / 1e9))
        )
      )
    })

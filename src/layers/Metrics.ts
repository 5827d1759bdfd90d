/**
 * The Prometheus registry: counters and histograms are kept, gauges are asked at scrape time, so none is ever stale.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { MetricFamily } from "../domain/MetricFamilies.ts"

export type Labels = Readonly<Record<string, string>>

export interface Sample {
  readonly labels: Labels
  readonly value: number
}

export class Metrics extends Context.Tag("compute/Metrics")<
  Metrics,
  {
    /** Adds to a counter; 1 by default. */
    readonly increment: (family: MetricFamily, labels?: Labels, by?: number) => Effect.Effect<void>
    /** Counts a value into a histogram. */
    readonly observe: (family: MetricFamily, labels: Labels, value: number) => Effect.Effect<void>
    /** The samples of a gauge for as long as the scope is open. */
    readonly gauge: (
      family: MetricFamily,
      samples: Effect.Effect<ReadonlyArray<Sample>>
    ) => Effect.Effect<void, never, Scope.Scope>
    /** The whole exposition, format 0.0.4. */
    readonly render: Effect.Effect<string>
  }
>() {}

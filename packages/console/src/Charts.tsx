/**
 * A few numbers over the time that the page has been open.
 */
import { total } from "../../../src/domain/observe/Samples.ts"
import type { Known } from "./shapes.ts"
import { lasting, size, spoken } from "./words.ts"

/** About a quarter of an hour, at one every five seconds. */
const KEPT = 180

export interface Point {
  readonly memory: number | null
  readonly connections: number | null
  readonly downtime: number | null
  /** What keeps the compute awake, by kind. */
  readonly awake: Readonly<Record<string, number>>
}

export const point = ({ activity, metrics }: Known): Point => ({
  memory: total(metrics, "compute_ctl_resident_memory_bytes"),
  connections: total(metrics, "compute_ctl_http_connections"),
  downtime: total(metrics, "compute_pg_downtime_ms_total"),
  awake: Object.fromEntries(
    Object.entries(Object.groupBy(activity?.reasons ?? [], ({ kind }) => kind)).map(([kind, reasons]) => [
      kind,
      reasons.reduce((sum, { count }) => sum + count, 0)
    ])
  )
})

const kinds = (points: ReadonlyArray<Point>): ReadonlyArray<string> => [
  ...new Set(points.flatMap(({ awake }) => Object.keys(awake)))
]

export const kept = (points: ReadonlyArray<Point>, next: Point): ReadonlyArray<Point> => [...points, next].slice(-KEPT)

const Chart = ({
  name,
  shown,
  values
}: {
  readonly name: string
  readonly values: ReadonlyArray<number | null>
  readonly shown: (value: number) => string
}) => {
  const known = values.filter((value) => value !== null)
  const last = known.at(-1)
  if (last === undefined) return null
  const most = Math.max(...known)
  const scale = Math.max(1, most)
  // One value is a line, too.
  const drawn = values.length === 1 ? [last, last] : values
  const points = drawn.flatMap((value, index) =>
    value === null ? [] : [`${(index / (drawn.length - 1)) * 200},${38 - (value / scale) * 34}`]
  )
  return (
    <figure>
      <figcaption>
        {name}: <strong>{shown(last)}</strong>
        {most > last && `, most ${shown(most)}`}
      </figcaption>
      <svg
        viewBox="0 0 200 40"
        preserveAspectRatio="none"
        role="img"
        aria-label={`${name}: ${shown(last)}, most ${shown(most)}`}
      >
        <path class="ground" d="M0 38H200" />
        <polyline points={points.join(" ")} />
      </svg>
    </figure>
  )
}

export const Charts = ({ points }: { readonly points: ReadonlyArray<Point> }) => (
  <section aria-labelledby="charts" class="charts">
    <h2 id="charts">Since this page was opened</h2>
    <Chart name="Memory of the supervisor" values={points.map(({ memory }) => memory)} shown={size} />
    <Chart name="Connections to the API" values={points.map(({ connections }) => connections)} shown={String} />
    {kinds(points).map((kind) => (
      <Chart
        key={kind}
        name={`Keeps it awake: ${spoken(kind)}`}
        values={points.map(({ awake }) => awake[kind] ?? 0)}
        shown={String}
      />
    ))}
    <Chart name="Downtime of Postgres" values={points.map(({ downtime }) => downtime)} shown={lasting} />
  </section>
)

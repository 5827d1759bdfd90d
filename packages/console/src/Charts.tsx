/**
 * A few numbers over the time that the page has been open.
 */
import { total } from "../../../src/domain/observe/Samples.ts"
import { Room } from "./parts.tsx"
import type { Known } from "./shapes.ts"
import { lasting, number, size, spoken } from "./words.ts"

/** About a quarter of an hour, at one every five seconds. */
const KEPT = 180

export interface Point {
  readonly at: number
  readonly memory: number | null
  readonly connections: number | null
  readonly downtime: number | null
  /** What keeps the compute awake, by kind. */
  readonly awake: Readonly<Record<string, number>>
}

export const point = ({ activity, detail, metrics }: Known): Point => ({
  at: Date.parse(detail.now),
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

const kinds = (points: ReadonlyArray<Point>): ReadonlyArray<string> => {
  const seen = new Set(points.flatMap(({ awake }) => Object.keys(awake)))
  return seen.size === 0 ? ["session"] : [...seen]
}

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
    value === null ? [] : [[(index / (drawn.length - 1)) * 200, 38 - (value / scale) * 34] as const]
  )
  const line = points.map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`).join("L")
  return (
    <figure>
      <figcaption>{name}</figcaption>
      <strong>{shown(last)}</strong> {most > last && <span class="soft">at most {shown(most)}</span>}
      <svg viewBox="0 0 200 40" preserveAspectRatio="none" aria-hidden="true">
        <path class="area" d={`M${points[0]?.[0] ?? 0} 38L${line}L${points.at(-1)?.[0] ?? 200} 38z`} />
        <path class="line" d={`M${line}`} />
        <path class="ground" d="M0 38.5H200" />
      </svg>
    </figure>
  )
}

export const Charts = ({ points }: { readonly points: ReadonlyArray<Point> }) => {
  const [first, last] = [points[0], points.at(-1)]
  const span = first === undefined || last === undefined ? 0 : last.at - first.at
  return (
    <Room
      id="charts"
      title="Over time"
      aside={span < 1000 ? "since this page was opened" : `the last ${lasting(span)}`}
    >
      <div class="charts">
        <Chart name="Memory of the supervisor" values={points.map(({ memory }) => memory)} shown={size} />
        <Chart name="Connections to the API" values={points.map(({ connections }) => connections)} shown={number} />
        <Chart name="Downtime of Postgres" values={points.map(({ downtime }) => downtime)} shown={lasting} />
        {kinds(points).map((kind) => (
          <Chart
            key={kind}
            name={`In use by: ${spoken(kind)}`}
            values={points.map(({ awake }) => awake[kind] ?? 0)}
            shown={number}
          />
        ))}
      </div>
    </Room>
  )
}

/**
 * The states and the ways between them, drawn from the table that the program follows.
 */
import { useEffect, useState } from "preact/hooks"
import { type ComputeStatus, edges, isTerminating } from "../../../src/domain/status/ComputeStatus.ts"
import { spoken } from "./words.ts"

const WIDTH = 150
const HEIGHT = 36

type Point = readonly [x: number, y: number]

interface Layout {
  readonly size: Point
  /** Where each state stands; a state without a place would not compile. */
  readonly places: Record<ComputeStatus, Point>
  /** Ways that would lead through another state go around it: how far from the straight line. */
  readonly bends: Readonly<Record<string, number>>
  /** Around all states that can be terminated: left, top, width, height. */
  readonly frame: readonly [x: number, y: number, width: number, height: number]
}

const wide: Layout = {
  size: [560, 342],
  places: {
    empty: [95, 40],
    configuration_pending: [280, 40],
    configuration: [465, 40],
    init: [95, 122],
    running: [280, 122],
    failed: [465, 122],
    refresh_configuration: [280, 204],
    refresh_configuration_pending: [465, 204],
    termination_pending_fast: [95, 312],
    terminated: [280, 312],
    termination_pending_immediate: [465, 312]
  },
  bends: { "init failed": 88 },
  frame: [4, 8, 552, 242]
}

/** For telephones. */
const narrow: Layout = {
  size: [360, 462],
  places: {
    empty: [90, 40],
    configuration_pending: [260, 40],
    init: [90, 114],
    configuration: [260, 114],
    running: [90, 188],
    failed: [260, 188],
    refresh_configuration: [90, 262],
    refresh_configuration_pending: [260, 262],
    termination_pending_fast: [90, 366],
    termination_pending_immediate: [260, 366],
    terminated: [175, 436]
  },
  bends: { "failed configuration_pending": 135 },
  frame: [4, 8, 352, 296]
}

const TELEPHONE = "(max-width: 40rem)"

const useLayout = (): Layout => {
  const [isNarrow, setNarrow] = useState(() => matchMedia(TELEPHONE).matches)
  useEffect(() => {
    const query = matchMedia(TELEPHONE)
    const look = () => setNarrow(query.matches)
    query.addEventListener("change", look)
    return () => query.removeEventListener("change", look)
  }, [])
  return isNarrow ? narrow : wide
}

/** The border of a box on the way from its middle to a point. */
const border = ([x, y]: Point, [toX, toY]: Point): Point => {
  const [dx, dy] = [toX - x, toY - y]
  const scale = Math.min(WIDTH / 2 / Math.max(1, Math.abs(dx)), HEIGHT / 2 / Math.max(1, Math.abs(dy)))
  return [x + dx * scale, y + dy * scale]
}

interface Way {
  readonly from: ComputeStatus
  readonly to: ComputeStatus
  readonly causes: ReadonlyArray<string>
}

const ways = (): ReadonlyArray<Way> => {
  const groups = Map.groupBy(
    edges.filter(({ from, to }) => from !== to),
    ({ from, to }) => `${from} ${to}`
  )
  return [...groups.values()].flatMap((same) =>
    same.slice(0, 1).map(({ from, to }) => ({ from, to, causes: same.map(({ cause }) => cause) }))
  )
}

const keyOf = ({ from, to }: Way): string => `${from} ${to}`

/** From every state in the frame there is one: they are drawn once for all. */
const isOfAll = ({ from, to }: Way): boolean => isTerminating(to) && !isTerminating(from)

const curve = ({ bends, places }: Layout, way: Way, isBoth: boolean): string => {
  const [a, b] = [places[way.from], places[way.to]]
  const length = Math.hypot(b[0] - a[0], b[1] - a[1])
  // Ways in both directions lie beside each other.
  const bend = bends[keyOf(way)] ?? (isBoth ? 16 : 0)
  const middle: Point = [
    (a[0] + b[0]) / 2 - ((b[1] - a[1]) / length) * bend,
    (a[1] + b[1]) / 2 + ((b[0] - a[0]) / length) * bend
  ]
  const [x1, y1] = border(a, middle)
  const [x2, y2] = border(b, middle)
  return `M${x1} ${y1}Q${middle[0]} ${middle[1]} ${x2} ${y2}`
}

const lines = (name: string): ReadonlyArray<string> => {
  const all = spoken(name).split(" ")
  return all.length < 3 ? [all.join(" ")] : [all.slice(0, -1).join(" "), all.at(-1) ?? ""]
}

const Edge = ({ d, isWalked, title }: { readonly d: string; readonly isWalked: boolean; readonly title: string }) => (
  <path d={d} class={isWalked ? "edge walked" : "edge"} marker-end={isWalked ? "url(#walked)" : "url(#head)"}>
    <title>{title}</title>
  </path>
)

const Head = ({ id }: { readonly id: string }) => (
  <marker
    id={id}
    viewBox="0 0 8 8"
    refX="7"
    refY="4"
    markerWidth="8"
    markerHeight="8"
    markerUnits="userSpaceOnUse"
    orient="auto"
  >
    <path d="M0 0 8 4 0 8z" class={id === "walked" ? "tip walked" : "tip"} />
  </marker>
)

export const Diagram = ({
  current,
  way
}: {
  readonly current: ComputeStatus
  readonly way: ReadonlyArray<ComputeStatus>
}) => {
  const layout = useLayout()
  const { frame, places, size } = layout
  const all = ways()
  const known = new Set(all.map(keyOf))
  const walked = new Set(way.slice(1).map((to, index) => `${way[index]} ${to}`))
  const [left, top, width, height] = frame
  return (
    <svg
      viewBox={`0 0 ${size[0]} ${size[1]}`}
      class="diagram"
      role="img"
      aria-label={`States of a compute: ${spoken(current)} now`}
    >
      <defs>
        <Head id="head" />
        <Head id="walked" />
      </defs>
      <g>
        <rect class="frame" x={left} y={top} width={width} height={height} rx="10" />
        <text class="note" x={left + 10} y={top + height - 10}>
          from each of these: terminate
        </text>
        {(["termination_pending_fast", "termination_pending_immediate"] as const).map((to) => (
          <Edge
            key={to}
            d={`M${places[to][0]} ${top + height}V${places[to][1] - HEIGHT / 2}`}
            isWalked={false}
            title={`to ${spoken(to)}`}
          />
        ))}
        {all
          .filter((one) => !isOfAll(one) || walked.has(keyOf(one)))
          .map((one) => (
            <Edge
              key={keyOf(one)}
              d={curve(layout, one, known.has(`${one.to} ${one.from}`))}
              isWalked={walked.has(keyOf(one))}
              title={`${spoken(one.from)} to ${spoken(one.to)}: ${one.causes.join(", ")}`}
            />
          ))}
      </g>
      {Object.entries(places).map(([status, [x, y]]) => {
        const isCurrent = status === current
        const text = lines(status)
        const kind = isCurrent ? "current" : way.some((passed) => passed === status) ? "passed" : ""
        return (
          <g key={status} class={`state ${kind}`}>
            <rect x={x - WIDTH / 2} y={y - HEIGHT / 2} width={WIDTH} height={HEIGHT} rx="7" />
            {text.map((line, index) => (
              <text key={line} x={x} y={y + 4 + (index - (text.length - 1) / 2) * 13} text-anchor="middle">
                {isCurrent && index === 0 ? `\u25b6 ${line}` : line}
              </text>
            ))}
          </g>
        )
      })}
    </svg>
  )
}

/**
 * The states and the ways between them, drawn from the table that the program follows.
 */
import { useEffect, useRef } from "preact/hooks"
import { type ComputeStatus, edges } from "../../../src/domain/status/ComputeStatus.ts"
import { spoken } from "./words.ts"

const WIDTH = 150
const HEIGHT = 34

/** Where each state stands; a state without a place would not compile. */
const places: Record<ComputeStatus, readonly [x: number, y: number]> = {
  empty: [85, 30],
  configuration_pending: [265, 30],
  configuration: [445, 30],
  init: [85, 110],
  running: [265, 110],
  failed: [445, 110],
  refresh_configuration_pending: [85, 190],
  refresh_configuration: [265, 190],
  termination_pending_fast: [445, 190],
  termination_pending_immediate: [445, 250],
  terminated: [265, 250]
}

/** The border of a box on the way from its middle to a point. */
const border = ([x, y]: readonly [number, number], [toX, toY]: readonly [number, number]) => {
  const [dx, dy] = [toX - x, toY - y]
  const scale = Math.min(WIDTH / 2 / Math.max(1, Math.abs(dx)), HEIGHT / 2 / Math.max(1, Math.abs(dy)))
  return [x + dx * scale, y + dy * scale] as const
}

const unique = () => {
  const seen = new Map<string, { readonly from: ComputeStatus; readonly to: ComputeStatus; causes: Array<string> }>()
  for (const { cause, from, to } of edges) {
    if (from === to) continue
    const key = `${from} ${to}`
    const known = seen.get(key) ?? { from, to, causes: [] }
    known.causes.push(cause)
    seen.set(key, known)
  }
  return [...seen.values()]
}

const words = (name: string): ReadonlyArray<string> => {
  const all = spoken(name).split(" ")
  return all.length < 3 ? [all.join(" ")] : [all.slice(0, -1).join(" "), all.at(-1) ?? ""]
}

export const Diagram = ({ current, way }: { readonly current: ComputeStatus; readonly way: ReadonlyArray<string> }) => {
  const frame = useRef<HTMLDivElement>(null)
  // On a telephone the picture is wider than its frame: the current state is in the middle.
  useEffect(() => {
    const { current: box } = frame
    if (box !== null) box.scrollLeft = (places[current][0] / 530) * box.scrollWidth - box.clientWidth / 2
  }, [current])
  const walked = new Set(way.slice(1).map((to, index) => `${way[index]} ${to}`))
  return (
    <div class="frame" ref={frame}>
      <svg viewBox="0 0 530 275" class="diagram">
        <title>States of a compute</title>
        <defs>
          <marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
            <path d="M0 0 8 4 0 8z" />
          </marker>
        </defs>
        {unique().map(({ causes, from, to }) => {
          const [x1, y1] = border(places[from], places[to])
          const [x2, y2] = border(places[to], places[from])
          const isWalked = walked.has(`${from} ${to}`)
          // Ways in both directions lie beside each other.
          const [nx, ny] = [(y2 - y1) / 14, (x1 - x2) / 14]
          const d = `M${x1} ${y1} Q${(x1 + x2) / 2 + nx} ${(y1 + y2) / 2 + ny} ${x2} ${y2}`
          return (
            <path key={d} d={d} class={isWalked ? "edge walked" : "edge"} marker-end="url(#head)">
              <title>{`${spoken(from)} to ${spoken(to)}: ${causes.join(", ")}`}</title>
            </path>
          )
        })}
        {Object.entries(places).map(([status, [x, y]]) => {
          const lines = words(status)
          const isCurrent = status === current
          return (
            <g
              key={status}
              class={isCurrent ? "state current" : "state"}
              {...(isCurrent && { "aria-current": "step" })}
            >
              <title>{isCurrent ? `${spoken(status)}: now` : spoken(status)}</title>
              <rect x={x - WIDTH / 2} y={y - HEIGHT / 2} width={WIDTH} height={HEIGHT} rx="6" />
              {lines.map((line, index) => (
                <text key={line} x={x} y={y + 4 + (index - (lines.length - 1) / 2) * 13} text-anchor="middle">
                  {isCurrent && index === 0 ? `\u25b6 ${line}` : line}
                </text>
              ))}
            </g>
          )
        })}
      </svg>
    </div>
  )
}

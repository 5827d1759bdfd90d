/**
 * The state machine as a picture: a Mermaid state diagram, printed from its table.
 */
import type { Edge } from "./ComputeStatus.ts"

const label = ({ cause, needsPostgres }: Edge): string => (needsPostgres ? `${cause} (Postgres runs)` : cause)

/** One arrow for all causes that lead from one status to the same other one. */
export const picture = (edges: ReadonlyArray<Edge>): string => {
  const arrows = new Map<string, Array<string>>()
  for (const edge of edges) {
    const key = `${edge.from} --> ${edge.to}`
    arrows.set(key, [...(arrows.get(key) ?? []), label(edge)])
  }
  const lines = [...arrows].map(([arrow, labels]) => `    ${arrow}: ${labels.join(", ")}`)
  return ["stateDiagram-v2", "    [*] --> empty", ...lines, "    terminated --> [*]", "    failed --> [*]"].join("\n")
}

/**
 * Colours of the terminal, or none.
 */
import { hasColours } from "../output.ts"

export interface Paint {
  readonly head: (text: string) => string
  readonly dim: (text: string) => string
  readonly good: (text: string) => string
  readonly warn: (text: string) => string
  readonly bad: (text: string) => string
}

const sgr =
  (code: number) =>
  (text: string): string =>
    text === "" ? "" : `\x1b[${code}m${text}\x1b[0m`

const same = (text: string): string => text

export const plain: Paint = { head: same, dim: same, good: same, warn: same, bad: same }

export const colours: Paint = { head: sgr(1), dim: sgr(2), good: sgr(32), warn: sgr(33), bad: sgr(31) }

/** Of the standard output. */
export const ofTerminal = (): Paint => (hasColours() ? colours : plain)

/** By what a word means for an operator. */
export const byState = (paint: Paint, state: string): string => {
  if (/^(?:running|done|ready|ok|watching)$/.test(state)) return paint.good(state)
  return /^(?:failed|terminated|down|unreachable)$/.test(state) ? paint.bad(state) : paint.warn(state)
}

/**
 * The value of `neon.safekeepers`: addresses, and before them the generation of the set, when there is one.
 *
 * Source: `compute_tools/src/config.rs`, `pgxn/neon/walproposer.c`.
 */

const GENERATION = /^g#(\d+):/

/** `g#5:a:5454,b:5454`. */
export const render = (safekeepers: ReadonlyArray<string>, generation: number | null): string =>
  `${generation === null ? "" : `g#${generation}:`}${safekeepers.join(",")}`

/** The generation as it is written: whether it is a number that can be one is for the reader to say. */
export const parse = (
  value: string
): { readonly safekeepers: ReadonlyArray<string>; readonly generation: string | null } => ({
  safekeepers: value.replace(GENERATION, "").split(","),
  generation: GENERATION.exec(value)?.[1] ?? null
})

/**
 * The objects that say how a job ended. Whoever waits for them compares them whole: members, their order, no spaces.
 *
 * Source: `compute_tools/src/bin/fast_import.rs`; readers: `pageserver/src/tenant/timeline/import_pgdata.rs` and the control
 * plane.
 */
export type Command = "pgdata" | "dump-restore"

/** Why a job failed, where somebody asked for it. */
export interface Detail {
  /** From the outermost cause to the root. */
  readonly causes: ReadonlyArray<string>
}

/** `status/pgdata`: the whole data directory is there. */
export const PGDATA_DONE = JSON.stringify({ done: true })

/** `status/fast_import`. `error`: null for success. */
export const ended = (command: Command, error: string | null, detail: Detail | null): string =>
  JSON.stringify({
    command,
    ...(error === null ? { done: true } : { done: false, error }),
    ...(error !== null && detail !== null && { detail })
  })

/**
 * `global/pg_control`, as far as it says whether a cluster was shut down in order: whoever imports the directory starts at
 * its last checkpoint and replays nothing.
 *
 * Source: PostgreSQL `src/include/catalog/pg_control.h` (`ControlFileData`, `DBState`), the same from 14 to 18.
 */

const STATE_AT = 16
const SHUT_DOWN = 1

const STATES = [
  "starting up",
  "shut down",
  "shut down in recovery",
  "shutting down",
  "in crash recovery",
  "in archive recovery",
  "in production"
]

/** The state of the cluster in words; null when it was shut down in order. */
export const whyNotClean = (bytes: Uint8Array): string | null => {
  if (bytes.length < STATE_AT + 4) return "the control file is too short"
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const little = view.getUint32(STATE_AT, true)
  const state = little < STATES.length ? little : view.getUint32(STATE_AT, false)
  return state === SHUT_DOWN ? null : `the cluster is ${STATES[state] ?? `in state ${state}`}`
}

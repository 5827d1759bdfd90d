/**
 * `global/pg_control`, as far as it says whether a cluster was shut down in order, and where: whoever takes the directory
 * over starts at its last checkpoint and replays nothing.
 *
 * Source: PostgreSQL `src/include/catalog/pg_control.h` (`ControlFileData`, `DBState`), the same from 14 to 18.
 */
import * as Lsn from "../spec/Lsn.ts"

const STATE_AT = 16
const CHECKPOINT_AT = 32
const SHUT_DOWN = 1
const SHUT_DOWN_IN_RECOVERY = 2

const STATES = [
  "starting up",
  "shut down",
  "shut down in recovery",
  "shutting down",
  "in crash recovery",
  "in archive recovery",
  "in production"
]

/** Numbers are in the order of the machine that wrote them: a state is small in one of the two. */
const opened = (bytes: Uint8Array) => {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  const isLittle = view.getUint32(STATE_AT, true) < STATES.length
  return { view, isLittle, state: view.getUint32(STATE_AT, isLittle) }
}

/** The state of the cluster in words; null when it was shut down in order. */
export const whyNotClean = (bytes: Uint8Array): string | null => {
  if (bytes.length < STATE_AT + 4) return "the control file is too short"
  const { state } = opened(bytes)
  return state === SHUT_DOWN ? null : `the cluster is ${STATES[state] ?? `in state ${state}`}`
}

/** Where the last checkpoint stands of a server that has shut down in order, be it a standby; null when it has not. */
export const shutdownPosition = (bytes: Uint8Array): Lsn.Lsn | null => {
  if (bytes.length < CHECKPOINT_AT + 8) return null
  const { isLittle, state, view } = opened(bytes)
  if (state !== SHUT_DOWN && state !== SHUT_DOWN_IN_RECOVERY) return null
  return Lsn.fromBigInt(view.getBigUint64(CHECKPOINT_AT, isLittle))
}

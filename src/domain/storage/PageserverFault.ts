/**
 * Which failures of a pageserver the same request would meet again, and when the others are worth another try.
 *
 * Source: `pageserver/src/page_service.rs`, `libs/postgres_backend/src/lib.rs`, `pageserver/page_api/src/model.rs`.
 */
import { status } from "./PageApi.ts"

/** The server reports nearly everything as XX000, so only its words tell. */
const PERMANENT_TEXTS: ReadonlyArray<RegExp> = [
  /JWT|^Unauthorized|Permission denied|authentication/i,
  /invalid basebackup lsn/i,
  /timeline is archived/i,
  /^(?:invalid (?:number of )?parameters?|duplicate parameter|cannot parse query|unsupported command|failed to parse)/i
]

/** A tenant, timeline or shard that is not there yet or has gone elsewhere, and a server that comes or goes. */
const ATTACHING_TEXTS: ReadonlyArray<RegExp> = [
  /^not found/i,
  /shut(?:ting)? ?down|starting up|is not active|not yet active|reconnect/i
]
/** admin_shutdown, cannot_connect_now */
const ATTACHING_CODES = new Set(["57P01", "57P03"])

/** SQLSTATE classes: invalid authorization, syntax error or access rule violation, feature not supported. */
const PERMANENT_CLASSES = new Set(["28", "42", "0A"])

export type Healing =
  /** The same request would meet it again. */
  | "never"
  /** Storage is being attached, started or moved: it is there soon, or does not come at all. */
  | "attaching"
  /** Anything else. */
  | "passing"

export const healingOfError = (sqlstate: string, text: string): Healing => {
  if (PERMANENT_CLASSES.has(sqlstate.slice(0, 2))) return "never"
  if (sqlstate === "XX000" && PERMANENT_TEXTS.some((pattern) => pattern.test(text))) return "never"
  const comes = ATTACHING_CODES.has(sqlstate) || ATTACHING_TEXTS.some((pattern) => pattern.test(text))
  return comes ? "attaching" : "passing"
}

const PERMANENT_STATUSES: ReadonlySet<number> = new Set([
  status.INVALID_ARGUMENT,
  status.PERMISSION_DENIED,
  status.FAILED_PRECONDITION,
  status.UNIMPLEMENTED,
  status.UNAUTHENTICATED
])

const ATTACHING_STATUSES: ReadonlySet<number> = new Set([status.NOT_FOUND, status.UNAVAILABLE])

export const healingOfStatus = (code: number): Healing =>
  PERMANENT_STATUSES.has(code) ? "never" : ATTACHING_STATUSES.has(code) ? "attaching" : "passing"

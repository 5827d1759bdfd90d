/**
 * Which failures of a pageserver the same request would meet again.
 *
 * Source: `pageserver/src/page_service.rs`, `libs/postgres_backend/src/lib.rs`, `pageserver/page_api/src/model.rs`.
 */
import { status } from "./PageApi.ts"

/** The server reports nearly everything as XX000, so only its words tell. */
const PERMANENT_TEXTS: ReadonlyArray<RegExp> = [
  /^not found/i,
  /JWT|^Unauthorized|Permission denied|authentication/i,
  /invalid basebackup lsn/i,
  /timeline is archived/i,
  /^(?:invalid (?:number of )?parameters?|duplicate parameter|cannot parse query|unsupported command|failed to parse)/i
]

/** SQLSTATE classes: invalid authorization, syntax error or access rule violation, feature not supported. */
const PERMANENT_CLASSES = new Set(["28", "42", "0A"])

export const isPermanentError = (sqlstate: string, text: string): boolean =>
  PERMANENT_CLASSES.has(sqlstate.slice(0, 2)) ||
  (sqlstate === "XX000" && PERMANENT_TEXTS.some((pattern) => pattern.test(text)))

const PERMANENT_STATUSES: ReadonlySet<number> = new Set([
  status.INVALID_ARGUMENT,
  status.NOT_FOUND,
  status.PERMISSION_DENIED,
  status.FAILED_PRECONDITION,
  status.UNIMPLEMENTED,
  status.UNAUTHENTICATED
])

export const isPermanentStatus = (code: number): boolean => PERMANENT_STATUSES.has(code)

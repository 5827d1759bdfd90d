/**
 * Whether a compute is in use, why, and since when: a pure decision over what Postgres' statistics views show.
 * All times are microseconds since the epoch, as Postgres keeps them.
 *
 * Source: `compute_tools/src/monitor.rs`.
 */
import * as Schema from "effect/Schema"

export type Micros = bigint

/** What the monitor's statement returns: one row for each thing that may keep a compute awake, and the server's clock. */
export interface SignalRow {
  readonly kind: "clock" | "session" | "walsender" | "subscription" | "autovacuum" | "databases"
  /** Of a session its state, of the others the names seen. */
  readonly detail: string | null
  readonly count: string
  /** When the longest lasting of them began. Of `clock` the time now. */
  readonly since: string | null
  /** Of sessions: the latest change of state. Of `databases`: the sum of active time, as text. */
  readonly latest: string | null
}

export const ReasonKind = Schema.Literals([
  ...(["query", "transaction", "session", "walsender", "subscription"] as const),
  ...(["autovacuum", "statistics"] as const)
])
export type ReasonKind = typeof ReasonKind.Type

export interface Reason {
  readonly kind: ReasonKind
  readonly count: number
  readonly since: Micros | null
  /** A session's state, or the names of the replication clients or subscriptions. */
  readonly detail: string | null
}

/** Sums over the databases of users, to notice sessions that come and go between two looks. Compared, never read. */
export interface Sums {
  readonly sessions: string
  readonly activeTime: string
}

export interface Observation {
  readonly now: Micros
  readonly reasons: ReadonlyArray<Reason>
  /** The newest time at which a session that is idle now was not. */
  readonly lastIdle: Micros | null
  readonly sums: Sums | null
}

const EPOCH_LIMIT = 253402300799999999n

const micros = (text: string | null): Micros | null => {
  if (text === null || !/^-?\d+$/.test(text)) return null
  const value = BigInt(text)
  return value >= 0n && value <= EPOCH_LIMIT ? value : null
}

const sessionKind = (state: string): ReasonKind =>
  state === "active" || state === "fastpath function call"
    ? "query"
    : state.startsWith("idle in transaction")
      ? "transaction"
      : "session"

const newest = (a: Micros | null, b: Micros | null): Micros | null => (a === null ? b : b === null || a > b ? a : b)

/** Null when the rows are not what the statement returns. A time later than the server's own now is not believed. */
export const observe = (rows: ReadonlyArray<SignalRow>): Observation | null => {
  const now = micros(rows.find(({ kind }) => kind === "clock")?.since ?? null)
  if (now === null) return null
  const past = (text: string | null) => {
    const value = micros(text)
    return value !== null && value <= now ? value : null
  }
  const reasons: Array<Reason> = []
  let lastIdle: Micros | null = null
  let sums: Sums | null = null
  for (const { kind, detail, count, since, latest } of rows) {
    if (kind === "databases") {
      sums = { sessions: count, activeTime: latest ?? "0" }
    } else if (kind === "session" && detail === "idle") {
      lastIdle = newest(lastIdle, past(latest))
    } else if (kind === "session" && detail !== null) {
      reasons.push({ kind: sessionKind(detail), count: Number(count), since: past(since), detail })
    } else if (kind !== "clock" && kind !== "session" && Number(count) > 0) {
      reasons.push({ kind, count: Number(count), since: past(since), detail })
    }
  }
  return { now, reasons, lastIdle, sums }
}

export interface ActivityState {
  /** Null until the first activity since the start. Only grows. */
  readonly lastActive: Micros | null
  readonly reasons: ReadonlyArray<Reason>
  /** Since when there has been a reason without a pause; null while there is none. */
  readonly activeSince: Micros | null
  /** Of the observation. */
  readonly checkedAt: Micros | null
  readonly sums: Sums | null
}

export const initial: ActivityState = {
  lastActive: null,
  reasons: [],
  activeSince: null,
  checkedAt: null,
  sums: null
}

export interface Look {
  /** Whether the sums over databases count (the spec's feature `activity_monitor_experimental`). */
  readonly statistics: boolean
  /** Our own work in databases of users has moved the sums: take them as the new baseline, unread. */
  readonly ownWork: boolean
}

const sameSums = (a: Sums, b: Sums) => a.sessions === b.sessions && a.activeTime === b.activeTime

/** The state after an observation. */
export const decide = (state: ActivityState, seen: Observation, { statistics, ownWork }: Look): ActivityState => {
  const moved = statistics && !ownWork && state.sums !== null && seen.sums !== null && !sameSums(state.sums, seen.sums)
  const reasons: ReadonlyArray<Reason> = moved
    ? [...seen.reasons, { kind: "statistics", count: 1, since: state.checkedAt, detail: null }]
    : seen.reasons
  const now = reasons.length > 0 ? seen.now : null
  const earliest = reasons.reduce<Micros | null>(
    (found, { since }) => (since !== null && (found === null || since < found) ? since : found),
    null
  )
  return {
    lastActive: newest(state.lastActive, newest(now, seen.lastIdle)),
    reasons,
    activeSince: reasons.length === 0 ? null : (state.activeSince ?? earliest ?? seen.now),
    checkedAt: seen.now,
    sums: statistics ? seen.sums : null
  }
}

/** RFC 3339 with `+00:00` and as many groups of three fraction digits as are needed. */
export const rfc3339 = (time: Micros): string => {
  const seconds = new Date(Number(time / 1000000n) * 1000).toISOString().slice(0, 19)
  const digits = String(time % 1000000n).padStart(6, "0")
  const fraction = digits === "000000" ? "" : digits.endsWith("000") ? `.${digits.slice(0, 3)}` : `.${digits}`
  return `${seconds}${fraction}+00:00`
}

/** `GET /activity`: why the compute counts as in use. Times are RFC 3339. Not in the original. */
export const ActivityReport = Schema.Struct({
  /** Null while it is not known: before the first look, or while Postgres does not answer. */
  active: Schema.NullOr(Schema.Boolean),
  active_since: Schema.NullOr(Schema.String),
  last_active: Schema.NullOr(Schema.String),
  checked_at: Schema.NullOr(Schema.String),
  monitor: Schema.Literals(["waiting", "watching", "down"]),
  reasons: Schema.Array(
    Schema.Struct({
      kind: ReasonKind,
      count: Schema.Finite,
      since: Schema.NullOr(Schema.String),
      detail: Schema.NullOr(Schema.String)
    }).annotate({ identifier: "ActivityReason" })
  )
}).annotate({ identifier: "Activity" })
export type ActivityReport = typeof ActivityReport.Type

const text = (time: Micros | null) => (time === null ? null : rfc3339(time))

export const report = (state: ActivityState, monitor: ActivityReport["monitor"]): ActivityReport => ({
  active: monitor === "watching" && state.checkedAt !== null ? state.reasons.length > 0 : null,
  active_since: text(state.activeSince),
  last_active: text(state.lastActive),
  checked_at: text(state.checkedAt),
  monitor,
  reasons: state.reasons.map(({ kind, count, since, detail }) => ({ kind, count, since: text(since), detail }))
})

/** One reason in words, for logs and refusals. */
export const describeReason = ({ kind, count, since, detail }: ActivityReport["reasons"][number]): string => {
  const names: Record<ReasonKind, string> = {
    query: count === 1 ? "query" : "queries",
    transaction: count === 1 ? "open transaction" : "open transactions",
    session: count === 1 ? "session" : "sessions",
    walsender: count === 1 ? "replication connection" : "replication connections",
    subscription: count === 1 ? "running subscription" : "running subscriptions",
    autovacuum: count === 1 ? "autovacuum worker" : "autovacuum workers",
    statistics: "session or query that ended between two checks"
  }
  const which = detail === null ? "" : ` (${detail})`
  return `${count} ${names[kind]}${which}${since === null ? "" : ` since ${since}`}`
}

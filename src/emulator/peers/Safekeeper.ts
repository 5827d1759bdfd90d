/**
 * One safekeeper of a quorum: TIMELINE_STATUS, IDENTIFY_SYSTEM and the walproposer's START_WAL_PUSH on the Postgres protocol.
 *
 * Source: `safekeeper/src/handler.rs`, `libs/postgres_backend/src/lib.rs`.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Lsn from "../../domain/spec/Lsn.ts"
import * as Fault from "../Fault.ts"
import { type Member, walPush } from "../postgres/walPush.ts"
import { sendRaw } from "../raw.ts"
import type { World } from "../World.ts"
import { cstringAt, type Gone, type PgConnection } from "../wire/PgConnection.ts"
import * as Messages from "../wire/pgMessages.ts"
import { pgPeer } from "./PgPeer.ts"
import type * as Tokens from "./Tokens.ts"

interface Options {
  readonly tenant: string | undefined
  readonly timeline: string | undefined
}

/** `-c key=value` or bare `key=value`, split on white space that no backslash escapes. */
export const parseOptions = (text: string): Options => {
  const items = new Map(
    (text.match(/(?:\\.|\S)+/gs) ?? [])
      .filter((item) => item !== "-c")
      .map((item) => {
        const at = item.indexOf("=")
        return [item.slice(0, Math.max(at, 0)), item.slice(at + 1)] as const
      })
  )
  return {
    tenant: items.get("tenant_id") ?? items.get("ztenantid"),
    timeline: items.get("timeline_id") ?? items.get("ztimelineid")
  }
}

const statusColumns = Messages.rowDescription([
  ["flush_lsn", "text"],
  ["commit_lsn", "text"]
])

const systemColumns = Messages.rowDescription([
  ["systemid", "text"],
  ["timeline", "int4"],
  ["xlogpos", "text"],
  ["dbname", "text"]
])

interface Session {
  readonly world: World
  readonly member: number
  readonly options: Options
  readonly applicationName: string
  readonly claims: Tokens.Claims | null
}

/** Positions of this member, the fault's before its own, before the quorum's. Undefined when the timeline is unknown here. */
const positions = (session: Session, actions: ReadonlyArray<Fault.Action>) => {
  const { tenant = "", timeline = "" } = session.options
  const known = session.world.timeline(tenant, timeline)
  if (known === undefined || Fault.find(actions, "missing") !== undefined) return undefined
  const own = known.members.get(session.member) ?? known
  const faulty = Fault.find(actions, "lsn")
  const read = (text: string) => Result.getOrElse(Lsn.parse(text), () => Lsn.zero)
  return faulty === undefined ? own : { flush: read(faulty.flush), commit: read(faulty.commit) }
}

/** This member's share of the timeline; one that is unknown here begins at nothing and is not kept. */
const share = (session: Session): Member => {
  const { tenant = "", timeline = "" } = session.options
  const { member } = session
  const known = session.world.timeline(tenant, timeline)
  let at = known?.members.get(member) ?? known ?? { flush: Lsn.zero, commit: Lsn.zero }
  let term = known?.terms.get(member) ?? 1n
  return {
    get term() {
      return term
    },
    set term(voted) {
      term = voted
      known?.terms.set(member, voted)
    },
    read: () => at,
    write: (moved) => {
      at = moved
      known?.members.set(member, moved)
    }
  }
}

const refusal = (session: Session, actions: ReadonlyArray<Fault.Action>): Buffer | undefined => {
  const { tenant, timeline } = session.options
  if (tenant === undefined) return Messages.error("XX000", "tenantid is required")
  if (timeline === undefined) return Messages.error("XX000", "timelineid is required")
  const { claims } = session
  const isAllowed =
    claims === null || (claims.scope === "tenant" && claims.tenant_id?.toLowerCase() === tenant.toLowerCase())
  return isAllowed && Fault.find(actions, "denied") === undefined
    ? undefined
    : Messages.error("XX000", "JWT authentication error")
}

const answer = (session: Session, query: string, actions: ReadonlyArray<Fault.Action>): ReadonlyArray<Buffer> => {
  if (/^set datestyle to /i.test(query)) return [Messages.complete("SELECT 1")]
  const isStatus = query.startsWith("TIMELINE_STATUS")
  if (!isStatus && !query.startsWith("IDENTIFY_SYSTEM")) {
    return [Messages.error("XX000", `unsupported command ${query}`)]
  }
  const refused = refusal(session, actions)
  if (refused !== undefined) return [refused]
  const at = positions(session, actions)
  if (isStatus) {
    const row = at === undefined ? [] : [Messages.dataRow([Lsn.format(at.flush), Lsn.format(at.commit)])]
    return [statusColumns, ...row, Messages.complete("TIMELINE_STATUS")]
  }
  if (at === undefined)
    return [Messages.error("XX000", `timeline ${session.options.tenant}/${session.options.timeline} not found`)]
  const isRecovery = /^(wal_proposer_recovery$|safekeeper)/.test(session.applicationName)
  return [
    systemColumns,
    Messages.dataRow(["0", "1", Lsn.format(isRecovery ? at.flush : at.commit), null]),
    Messages.complete("IDENTIFY_SYSTEM")
  ]
}

const query = (connection: PgConnection, session: Session, text: string): Effect.Effect<void, Gone> =>
  Effect.gen(function* () {
    const { world, member } = session
    const actions = yield* world.heed({ peer: "safekeeper", member, what: "query", text, detail: {} })
    const raw = Fault.find(actions, "raw")
    if (raw !== undefined) return yield* sendRaw(connection.socket, raw)
    const silence = Fault.find(actions, "silence")
    const cut = Fault.find(actions, "cut")
    const error = Fault.find(actions, "error")
    if (text.startsWith("START_WAL_PUSH") && error === undefined && silence === undefined) {
      const refused = refusal(session, actions)
      if (refused !== undefined) return yield* connection.send(refused, Messages.ready)
      return yield* Effect.andThen(walPush(connection, member, share(session)), connection.cut)
    }
    const whole =
      error === undefined
        ? Buffer.concat([...answer(session, text, actions), Messages.ready])
        : Buffer.concat([Messages.error(error.code, error.message), Messages.ready])
    if (silence !== undefined) {
      if ((silence.after ?? 0) > 0) yield* connection.send(whole.subarray(0, silence.after))
      return yield* connection.silence
    }
    if (cut !== undefined) {
      if (cut.after > 0) yield* connection.send(whole.subarray(0, cut.after))
      return yield* connection.cut
    }
    yield* connection.send(whole)
  })

export const safekeeper = pgPeer("safekeeper", ({ claims, connection, member, params, world }) =>
  Effect.gen(function* () {
    const session: Session = {
      world,
      member,
      claims,
      options: parseOptions(params["options"] ?? ""),
      applicationName: params["application_name"] ?? ""
    }
    for (;;) {
      const message = yield* connection.read
      if (message.type === "Q") yield* query(connection, session, cstringAt(message.body, 0).text.trim())
      else if (message.type === "X") return
      else if (message.type === "S") yield* connection.send(Messages.ready)
      else yield* connection.send(Messages.error("XX000", `unexpected message ${message.type}`), Messages.ready)
    }
  })
)

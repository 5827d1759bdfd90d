/**
 * The pageserver's libpq door: basebackups and LSN leases, by the simple and by the extended protocol.
 *
 * Source: `pageserver/src/page_service.rs`, `libs/postgres_backend/src/lib.rs`.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Lsn from "../../domain/spec/Lsn.ts"
import * as Fault from "../Fault.ts"
import { frameCopyData } from "../postgres/Archive.ts"
import { sendRaw } from "../raw.ts"
import type { Timeline, World } from "../World.ts"
import * as Delivery from "../wire/Delivery.ts"
import { cstringAt, type Gone, type PgConnection } from "../wire/PgConnection.ts"
import * as Messages from "../wire/pgMessages.ts"
import { pgPeer } from "./PgPeer.ts"
import { type PageCommand, parse } from "./pageCommand.ts"
import type * as Tokens from "./Tokens.ts"

interface Session {
  readonly world: World
  readonly member: number
  readonly connection: PgConnection
  readonly claims: Tokens.Claims | null
  /** One tenant per connection. */
  tenant: string | undefined
  /** Statement names are ignored: the last one parsed is the one that runs. */
  prepared: string
}

type Protocol = "simple" | "extended"

/** What the client sees depends on the protocol it asked by. */
interface Refused {
  readonly sqlstate: string
  readonly simple: string
  readonly extended: string
}

const internal = (text: string, ...causes: ReadonlyArray<string>): Refused => ({
  sqlstate: "XX000",
  simple: [text, ...causes].join(": "),
  extended: text
})

const notFound = (what: string): Refused => ({ sqlstate: "XX000", simple: "not found", extended: `Not found: ${what}` })

const unauthorized = (why: string): Refused => ({
  sqlstate: "XX000",
  simple: "JWT authentication error",
  extended: `Unauthorized: ${why}`
})

/** Why this token may not touch that tenant. */
export const tokenFault = (claims: Tokens.Claims | null, tenant: string): string | undefined => {
  if (claims === null || claims.scope === "pageserverapi") return undefined
  if (claims.scope !== "tenant") return `JWT scope '${claims.scope}' is ineligible for Pageserver auth`
  return claims.tenant_id?.toLowerCase() === tenant.toLowerCase() ? undefined : "Tenant id mismatch. Permission denied"
}

const tooOld = (lsn: Lsn.Lsn, timeline: Timeline): string =>
  `LSN ${Lsn.format(lsn)} is earlier than latest GC cutoff ${Lsn.format(timeline.gcCutoff)} (we might've already garbage collected needed data)`

const find = (
  session: Session,
  command: Exclude<PageCommand, { readonly _tag: "Set" }>,
  actions: ReadonlyArray<Fault.Action>
): Result.Result<Timeline, Refused> =>
  Result.gen(function* () {
    const { tenant, timeline } = command
    if (session.tenant !== undefined && session.tenant !== tenant) {
      return yield* Result.fail(internal("reconnect to switch tenant id"))
    }
    session.tenant = tenant
    const fault = tokenFault(session.claims, tenant)
    if (fault !== undefined) return yield* Result.fail(unauthorized(fault))
    if (Fault.find(actions, "denied") !== undefined) return yield* Result.fail(unauthorized("Permission denied"))
    const known = session.world.timeline(tenant, timeline)
    if (known === undefined || Fault.find(actions, "missing") !== undefined) {
      return yield* Result.fail(notFound(`Timeline ${tenant}/${timeline} was not found`))
    }
    return known
  })

const basebackup = (
  session: Session,
  command: Extract<PageCommand, { readonly _tag: "Basebackup" }>,
  actions: ReadonlyArray<Fault.Action>
): Effect.Effect<void, Gone | Refused> =>
  Effect.gen(function* () {
    const timeline = yield* Effect.fromResult(find(session, command, actions))
    if (timeline.isArchived) return yield* Effect.fail(notFound("timeline is archived"))
    if (command.lsn !== null && command.lsn < timeline.gcCutoff) {
      return yield* Effect.fail(internal("invalid basebackup lsn", tooOld(command.lsn, timeline)))
    }
    const { connection } = session
    const archive = timeline.archive(command.replica)
    const bytes = archive.bytes(command.gzip)
    const delivery = Delivery.plan(bytes, actions)
    yield* connection.send(Messages.copyOut)
    if (Delivery.isPlain(delivery, bytes)) {
      return yield* connection.send(archive.copyData(command.gzip), Messages.copyDone, Messages.complete("SELECT 1"))
    }
    yield* Delivery.send(delivery, (slice) => connection.send(frameCopyData(slice)))
    if (delivery.ending._tag === "Cut") return yield* connection.cut
    if (delivery.ending._tag === "Silence") return yield* connection.silence
    if (delivery.ending._tag === "Error") {
      return yield* connection.send(Messages.error(delivery.ending.code, delivery.ending.message))
    }
    yield* connection.send(Messages.copyDone, Messages.complete("SELECT 1"))
  })

const leaseColumns = Messages.rowDescription([["valid_until", "text"]])

/** Epoch milliseconds until which the lease holds; null when the position is behind the cutoff. */
export const lease = (
  world: World,
  timeline: Timeline,
  lsn: Lsn.Lsn,
  actions: ReadonlyArray<Fault.Action>,
  now: number
): number | null => {
  const scripted = Fault.find(actions, "lease")
  const length = scripted === undefined ? world.leaseMs : scripted.ms
  return length === null || lsn < timeline.gcCutoff ? null : now + length
}

const run = (session: Session, text: string, protocol: Protocol): Effect.Effect<void, Gone> =>
  Effect.gen(function* () {
    const { world, member, connection } = session
    const asked = { peer: "pageserver", member, what: "query", text: text.trim(), detail: { protocol } } as const
    const actions = yield* world.heed(asked)
    const raw = Fault.find(actions, "raw")
    if (raw !== undefined) return yield* sendRaw(connection.socket, raw)
    if (Fault.atOnce(actions, "silence") !== undefined) return yield* connection.silence
    const scripted = Fault.atOnce(actions, "error")
    if (scripted !== undefined) {
      return yield* connection.send(Messages.error(scripted.code, scripted.message))
    }
    const command = parse(text)
    if (Result.isFailure(command)) {
      const { text: outer, causes } = command.failure
      return yield* Effect.fail(internal(outer, ...causes))
    }
    if (command.success._tag === "Set") return yield* connection.send(Messages.complete("SELECT 1"))
    if (command.success._tag === "Basebackup") return yield* basebackup(session, command.success, actions)
    const timeline = find(session, command.success, actions)
    if (Result.isFailure(timeline)) return yield* Effect.fail(timeline.failure)
    const until = lease(world, timeline.success, command.success.lsn, actions, yield* Clock.currentTimeMillis)
    const whole = Buffer.concat([
      leaseColumns,
      Messages.dataRow([until === null ? null : String(until)]),
      Messages.complete("SELECT 1")
    ])
    const cut = Fault.find(actions, "cut")
    if (cut === undefined) return yield* connection.send(whole)
    if (cut.after > 0) yield* connection.send(whole.subarray(0, cut.after))
    yield* connection.cut
  }).pipe(
    Effect.catch((fault) =>
      "sqlstate" in fault
        ? session.connection.send(Messages.error(fault.sqlstate, fault[protocol]))
        : Effect.fail(fault)
    )
  )

/** One message of the extended protocol, in the loose way of the original: no portals, no parameters, no names. */
const extended = (session: Session, type: string, body: Buffer): Effect.Effect<void, Gone> => {
  const { connection } = session
  const fault = (text: string) => connection.send(Messages.error("XX000", text))
  switch (type) {
    case "P": {
      const name = cstringAt(body, 0)
      const query = cstringAt(body, name.next)
      if (body.length >= query.next + 2 && body.readInt16BE(query.next) > 0)
        return fault("query params not implemented")
      session.prepared = query.text
      return connection.send(Messages.parseComplete)
    }
    case "D":
      return body[0] === "S".charCodeAt(0)
        ? connection.send(Messages.noParameters, Messages.noData)
        : fault("only prepared statement Describe is implemented")
    case "B":
      return cstringAt(body, 0).text === ""
        ? connection.send(Messages.bindComplete)
        : fault("named portals not implemented")
    case "E": {
      const portal = cstringAt(body, 0)
      if (portal.text !== "") return fault("named portals not implemented")
      if (body.readInt32BE(portal.next) !== 0) return fault("row limit in Execute message not implemented")
      return run(session, session.prepared, "extended")
    }
    case "C":
      return connection.send(Messages.closeComplete)
    case "H":
      return Effect.void
    case "S":
      return connection.send(Messages.ready)
    default:
      return fault(`unexpected message ${type}`)
  }
}

export const pageserver = pgPeer("pageserver", ({ claims, connection, member, world }) =>
  Effect.gen(function* () {
    const session: Session = { world, member, connection, claims, tenant: undefined, prepared: "" }
    for (;;) {
      const message = yield* connection.read
      if (message.type === "X") return
      if (message.type === "Q") {
        yield* run(session, cstringAt(message.body, 0).text, "simple")
        yield* connection.send(Messages.ready)
      } else {
        yield* extended(session, message.type, message.body)
      }
    }
  })
)

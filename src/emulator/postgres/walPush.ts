/**
 * The safekeeper's part of the walproposer's protocol, version 3: greeting, vote, election, append. Enough for a real
 * `postgres --sync-safekeepers`: a member votes for every newer term, keeps no WAL, and reports as flushed what it was sent.
 *
 * Source: `pgxn/neon/walproposer.h`, `safekeeper/src/safekeeper.rs`.
 */
import * as Effect from "effect/Effect"
import * as Lsn from "../../domain/spec/Lsn.ts"
import { cstringAt, type Gone, type PgConnection } from "../wire/PgConnection.ts"
import * as Messages from "../wire/pgMessages.ts"

/** One member's share of a timeline. */
export interface Member {
  /** The newest term it has voted in. */
  term: bigint
  readonly read: () => { readonly flush: Lsn.Lsn; readonly commit: Lsn.Lsn }
  readonly write: (at: { readonly flush: Lsn.Lsn; readonly commit: Lsn.Lsn }) => void
}

const u32 = (value: number): Buffer => Messages.int32(value | 0)
const u64 = (value: bigint): Buffer => {
  const out = Buffer.alloc(8)
  out.writeBigUInt64BE(BigInt.asUintN(64, value))
  return out
}

const byte = (value: number): Buffer => Buffer.from([value])
const tag = (letter: string): Buffer => Buffer.from(letter)

/** No membership configuration: generation, no members, no new members. */
const configuration = (generation: number): Buffer => Buffer.concat([u32(generation), u32(0), u32(0)])

/** The proposer's greeting: tenant, timeline, then the configuration, whose generation comes first. */
const greeting = (number: number, member: Member, body: Buffer): Buffer => {
  const tenant = cstringAt(body, 1)
  const timeline = cstringAt(body, tenant.next)
  const generation = body.length >= timeline.next + 4 ? body.readUInt32BE(timeline.next) : 0
  return Buffer.concat([tag("g"), u64(BigInt(number + 1)), configuration(generation), u64(member.term)])
}

/** Truncation at the end of the log: a proposer that finds all members there has nothing to stream. */
const vote = (member: Member, body: Buffer): Buffer => {
  const term = body.readBigUInt64BE(5)
  const isGiven = term > member.term
  if (isGiven) member.term = term
  const { flush } = member.read()
  const history = flush === Lsn.zero ? [u32(0)] : [u32(1), u64(1n), u64(flush)]
  const answer = [u32(body.readUInt32BE(1)), u64(member.term), byte(isGiven ? 1 : 0), u64(flush), u64(flush)]
  return Buffer.concat([tag("v"), ...answer, ...history])
}

const ordered = (one: bigint, other: bigint): readonly [least: bigint, most: bigint] =>
  one < other ? [one, other] : [other, one]

const append = (member: Member, body: Buffer): Buffer => {
  const term = body.readBigUInt64BE(5)
  const before = member.read()
  if (term === member.term) {
    const [, flush] = ordered(body.readBigUInt64BE(21), before.flush)
    const [reached] = ordered(body.readBigUInt64BE(29), flush)
    const [, commit] = ordered(reached, before.commit)
    member.write({ flush: Lsn.fromBigInt(flush), commit: Lsn.fromBigInt(commit) })
  }
  const { flush, commit } = member.read()
  const noFeedback = [u64(0n), u64(0n), u64(0n)]
  return Buffer.concat([tag("a"), u32(body.readUInt32BE(1)), u64(member.term), u64(flush), u64(commit), ...noFeedback])
}

/** What to say to one message; undefined = nothing, null = it makes no sense. */
const reply = (number: number, member: Member, body: Buffer): Buffer | undefined | null => {
  const has = (length: number) => body.length >= length
  switch (String.fromCharCode(body[0] ?? 0)) {
    case "g":
      return greeting(number, member, body)
    case "v":
      return has(13) ? vote(member, body) : null
    case "e":
      return undefined
    case "a":
      return has(45) ? append(member, body) : null
    default:
      return null
  }
}

/** Runs until the proposer ends the copy or the connection. `number`: the member's in the quorum, from 0. */
export const walPush = (connection: PgConnection, number: number, member: Member): Effect.Effect<void, Gone> =>
  Effect.gen(function* () {
    yield* connection.send(Messages.copyBoth)
    for (;;) {
      const message = yield* connection.read
      if (message.type === "c" || message.type === "X") return
      if (message.type !== "d") continue
      const answer = reply(number, member, message.body)
      if (answer === null) return yield* connection.send(Messages.error("XX000", "unexpected walproposer message"))
      if (answer !== undefined) yield* connection.send(Messages.copyData(answer))
    }
  })

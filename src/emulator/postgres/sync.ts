/**
 * What the `--sync-safekeepers` child does, done on its behalf: asks every safekeeper of the list over the wire,
 * takes the highest position of a quorum, and levels the members there.
 */
import { connect } from "node:net"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Lsn from "../../domain/spec/Lsn.ts"
import * as SafekeeperList from "../../domain/storage/SafekeeperList.ts"
import * as Fault from "../Fault.ts"
import type { World } from "../World.ts"
import { type Gone, PgConnection } from "../wire/PgConnection.ts"
import { int32 } from "../wire/pgMessages.ts"

export interface SyncRequest {
  /** The value of `neon.safekeepers`, generation prefix included. */
  readonly safekeepers: string
  readonly tenant: string
  readonly timeline: string
  readonly token: string
}

/** `exit` null = a fatal error whose text is `output`. */
export interface SyncResult {
  readonly exit: number | null
  readonly output: string
}

const fatal = (output: string): SyncResult => ({ exit: null, output })

/** Longest wait for one safekeeper. */
const patience = "2 seconds"

const packet = (type: string, text: string): Buffer =>
  Buffer.concat([Buffer.from(type), int32(Buffer.byteLength(text) + 5), Buffer.from(`${text}\0`)])

const startupPacket = (request: SyncRequest): Buffer => {
  const options = `-c timeline_id=${request.timeline} tenant_id=${request.tenant}`
  const params = ["client_encoding", "UTF8", "user", "no_user", "dbname", "replication", "options", options]
  const body = Buffer.from(`${params.join("\0")}\0\0`)
  return Buffer.concat([int32(body.length + 8), int32(196608), body])
}

/** What one safekeeper has; `0/0` when it never heard of the timeline. Text = its refusal. */
const ask = (address: string, request: SyncRequest): Effect.Effect<Result.Result<Lsn.Lsn, string>, Gone> =>
  Effect.gen(function* () {
    const at = address.lastIndexOf(":")
    const socket = yield* Effect.acquireRelease(
      Effect.sync(() => connect({ host: address.slice(0, at), port: Number(address.slice(at + 1)), noDelay: true })),
      (open) => Effect.sync(() => open.destroy())
    )
    socket.on("error", () => {})
    const connection = new PgConnection(socket)
    yield* connection.send(startupPacket(request))
    let found: Lsn.Lsn = Lsn.zero
    let isAsked = false
    for (;;) {
      const { type, body } = yield* connection.read
      if (type === "R" && body.readInt32BE(0) === 3) yield* connection.send(packet("p", request.token))
      else if (type === "E") return Result.fail(/M([^\0]*)/.exec(body.toString())?.[1] ?? "error")
      else if (type === "D") {
        const length = body.readInt32BE(2)
        found = Result.getOrElse(Lsn.parse(body.toString("utf8", 6, 6 + length)), () => Lsn.zero)
      } else if (type === "Z" && isAsked) return Result.succeed(found)
      else if (type === "Z") {
        isAsked = true
        yield* connection.send(packet("Q", "TIMELINE_STATUS"))
      }
    }
  }).pipe(Effect.scoped)

const highest = (all: ReadonlyArray<Lsn.Lsn>): Lsn.Lsn =>
  all.toSorted((one, other) => (one < other ? 1 : -1))[0] ?? Lsn.zero

export const sync = (world: World, request: SyncRequest): Effect.Effect<SyncResult> =>
  Effect.gen(function* () {
    const { safekeepers, tenant, timeline } = request
    const detail = { tenant, timeline, token: request.token }
    const actions = yield* world.heed({ peer: "sync", member: 0, what: "sync", text: safekeepers, detail })
    if (Fault.find(actions, "silence") !== undefined) return yield* Effect.never
    const error = Fault.find(actions, "error")
    if (error !== undefined) return fatal(error.message)
    const print = Fault.find(actions, "print")
    if (print !== undefined) return { exit: print.exit, output: print.stdout }
    const addresses = SafekeeperList.parse(safekeepers).safekeepers.filter((address) => address !== "")
    if (addresses.length === 0) return fatal("neon.safekeepers is empty")
    const answers = yield* Effect.forEach(
      addresses,
      (address) =>
        ask(address, request).pipe(
          Effect.timeout(patience),
          Effect.orElseSucceed(() => Result.fail("no answer"))
        ),
      { concurrency: "unbounded" }
    )
    const known = answers.filter(Result.isSuccess).map((answer) => answer.success)
    if (known.length < Math.floor(addresses.length / 2) + 1) {
      const why = answers.map((answer) => (Result.isFailure(answer) ? answer.failure : "ok")).join(", ")
      return fatal(`no quorum of safekeepers: ${why}`)
    }
    const lsn = highest(known)
    const content = world.timeline(tenant, timeline)
    if (content !== undefined && lsn !== Lsn.zero) {
      content.flush = lsn
      content.commit = lsn
      content.members.clear()
    }
    return { exit: 0, output: `${Lsn.format(lsn)}\n` }
  })

/**
 * The pageserver's gRPC door, on `node:http2` without encryption. Any `:scheme` is taken: clients of the original send
 * `grpc`. A user in `:authority` is taken too.
 *
 * Source: `pageserver/src/page_service.rs` (`GrpcPageServiceHandler`), `pageserver/page_api`.
 */
import { createServer, type Http2Session, type IncomingHttpHeaders, type ServerHttp2Stream } from "node:http2"
import { createServer as createTcpServer } from "node:net"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { parseShardIndex, type ShardIndex, TenantId, TimelineId } from "../../domain/spec/Ids.ts"
import * as Lsn from "../../domain/spec/Lsn.ts"
import * as PageApi from "../../domain/storage/PageApi.ts"
import * as Fault from "../Fault.ts"
import { frameChunks } from "../postgres/Archive.ts"
import { sendRaw } from "../raw.ts"
import type { World } from "../World.ts"
import * as Delivery from "../wire/Delivery.ts"
import { acceptable } from "./authority.ts"
import { lease, tokenFault } from "./Pageserver.ts"
import { type ListenFailed, listen } from "./TcpServer.ts"
import * as Tokens from "./Tokens.ts"

interface Refused {
  readonly status: PageApi.StatusName
  readonly message: string
}

const refuse = (status: PageApi.StatusName, message: string): Effect.Effect<never, Refused> =>
  Effect.fail({ status, message })

interface Call {
  readonly world: World
  readonly member: number
  readonly stream: ServerHttp2Stream
  readonly method: string
  readonly tenant: string
  readonly timeline: string
  readonly shard: ShardIndex
}

const text = (headers: IncomingHttpHeaders, name: string): string | undefined => {
  const value = headers[name]
  return typeof value === "string" ? value : undefined
}

/** Metadata in the server's order: tenant, timeline, shard, then the token. */
const admit = (world: World, headers: IncomingHttpHeaders, now: number) =>
  Effect.gen(function* () {
    const read = <A>(name: string, decode: (value: string) => Result.Result<A, unknown>) => {
      const value = text(headers, name)
      return value === undefined
        ? refuse("INVALID_ARGUMENT", `missing ${name}`)
        : Effect.catch(Effect.fromResult(decode(value)), () => refuse("INVALID_ARGUMENT", `invalid ${name}`))
    }
    const tenant = yield* read(PageApi.metadata.tenant, Schema.decodeResult(TenantId))
    const timeline = yield* read(PageApi.metadata.timeline, Schema.decodeResult(TimelineId))
    const shard = yield* read(PageApi.metadata.shard, parseShardIndex)
    if (world.storageKeys.length > 0) {
      const header = text(headers, PageApi.metadata.authorization)
      if (header === undefined) return yield* refuse("UNAUTHENTICATED", "no authorization header")
      const token = /^Bearer (.*)$/.exec(header)?.[1]
      if (token === undefined) return yield* refuse("INVALID_ARGUMENT", "invalid authorization header")
      const claims = Tokens.check(world.storageKeys, token, now)
      if (Result.isFailure(claims)) return yield* refuse("INVALID_ARGUMENT", `invalid JWT token: ${claims.failure}`)
      const fault = tokenFault(claims.success, tenant)
      if (fault !== undefined) return yield* refuse("PERMISSION_DENIED", fault)
    }
    return { tenant, timeline, shard }
  })

const noBody = { ":status": 200, "content-type": "application/grpc" }

const trailersOf = (refused: Refused) => ({
  "grpc-status": String(PageApi.status[refused.status]),
  "grpc-message": PageApi.encodeStatusMessage(refused.message)
})

/** Answers with a status and nothing else. */
const reject = (stream: ServerHttp2Stream, refused: Refused): Effect.Effect<void> =>
  Effect.sync(() => {
    if (stream.destroyed) return
    stream.respond({ ...noBody, ...trailersOf(refused) }, { endStream: true })
  })

const begin = (stream: ServerHttp2Stream, refused: () => Refused | null): Effect.Effect<void> =>
  Effect.sync(() => {
    stream.respond(noBody, { waitForTrailers: true })
    stream.once("wantTrailers", () => {
      const fault = refused()
      stream.sendTrailers(fault === null ? { "grpc-status": "0" } : trailersOf(fault))
    })
  })

const write = (stream: ServerHttp2Stream, bytes: Buffer | Uint8Array): Effect.Effect<void> =>
  Effect.callback((resume) => {
    if (stream.destroyed) return resume(Effect.interrupt)
    stream.write(bytes, () => resume(Effect.void))
  })

const closed = (stream: ServerHttp2Stream): Effect.Effect<never> =>
  Effect.callback((resume) => {
    if (stream.destroyed) return resume(Effect.interrupt)
    stream.once("close", () => resume(Effect.interrupt))
  })

const statusOf = (code: string): PageApi.StatusName => {
  const name = Object.keys(PageApi.status).find((known): known is PageApi.StatusName => known === code)
  return name ?? "UNKNOWN"
}

const known = (call: Call, actions: ReadonlyArray<Fault.Action>) => {
  const timeline = call.world.timeline(call.tenant, call.timeline)
  if (Fault.find(actions, "denied") !== undefined) return refuse("PERMISSION_DENIED", "Permission denied")
  return timeline === undefined || Fault.find(actions, "missing") !== undefined
    ? refuse("NOT_FOUND", `Timeline ${call.tenant}/${call.timeline} was not found`)
    : Effect.succeed(timeline)
}

const getBaseBackup = (
  call: Call,
  request: PageApi.GetBaseBackupRequest,
  actions: ReadonlyArray<Fault.Action>
): Effect.Effect<void, Refused> =>
  Effect.gen(function* () {
    const { stream, shard } = call
    if (shard.number !== 0) {
      const index = shard.number.toString(16).padStart(2, "0") + shard.count.toString(16).padStart(2, "0")
      return yield* refuse("INVALID_ARGUMENT", `request only valid on shard zero (requested shard ${index})`)
    }
    if (request.compression === "unknown") {
      return yield* refuse("INVALID_ARGUMENT", "field 'compression' has invalid value 'unknown'")
    }
    const timeline = yield* known(call, actions)
    if (timeline.isArchived) return yield* refuse("FAILED_PRECONDITION", "timeline is archived")
    if (request.lsn !== Lsn.zero && request.lsn < timeline.gcCutoff) {
      const cutoff = Lsn.format(timeline.gcCutoff)
      return yield* refuse(
        "INVALID_ARGUMENT",
        `invalid basebackup LSN: LSN ${Lsn.format(request.lsn)} is earlier than latest GC cutoff ${cutoff}`
      )
    }
    const archive = timeline.archive(request.replica)
    const isCompressed = request.compression === "gzip"
    const bytes = archive.bytes(isCompressed)
    const delivery = Delivery.plan(bytes, actions)
    const { ending } = delivery
    yield* begin(stream, () =>
      ending._tag === "Error" ? { status: statusOf(ending.code), message: ending.message } : null
    )
    if (Delivery.isPlain(delivery, bytes)) yield* write(stream, archive.chunks(isCompressed))
    else yield* Delivery.send(delivery, (slice) => write(stream, frameChunks(slice)))
    if (ending._tag === "Cut") return yield* Effect.sync(() => stream.session?.socket.destroy())
    if (ending._tag === "Silence") return yield* closed(stream)
    yield* Effect.sync(() => stream.end())
  })

const leaseLsn = (call: Call, lsn: Lsn.Lsn, actions: ReadonlyArray<Fault.Action>): Effect.Effect<void, Refused> =>
  Effect.gen(function* () {
    const { stream, world } = call
    if (lsn === Lsn.zero) return yield* refuse("INVALID_ARGUMENT", "required field 'lsn' is missing")
    const timeline = yield* known(call, actions)
    const until = lease(world, timeline, lsn, actions, yield* Clock.currentTimeMillis)
    if (until === null) {
      const cutoff = Lsn.format(timeline.gcCutoff)
      return yield* refuse("FAILED_PRECONDITION", `tried to request an LSN lease below the GC cutoff ${cutoff}`)
    }
    yield* begin(stream, () => null)
    yield* write(stream, PageApi.frame(PageApi.encodeLeaseLsnResponse(until)))
    yield* Effect.sync(() => stream.end())
  })

/** The call's one request message. */
const request = (stream: ServerHttp2Stream): Effect.Effect<Uint8Array, Refused> =>
  Effect.callback((resume) => {
    const reader = new PageApi.FrameReader()
    stream.on("data", (bytes: Buffer) => {
      const pushed = reader.push(bytes)
      if (Result.isFailure(pushed)) resume(Effect.fail({ status: "INTERNAL", message: pushed.failure }))
      else if (pushed.success[0] !== undefined) resume(Effect.succeed(pushed.success[0]))
    })
    stream.on("end", () => resume(Effect.fail({ status: "INTERNAL", message: "missing request message" })))
    stream.on("close", () => resume(Effect.interrupt))
  })

/** Fields as tests read them: numbers as text, `false` and 0 left out. */
const describe = (fields: Readonly<Record<string, bigint | boolean | string>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(fields)
      .filter(([, value]) => value !== false && value !== 0n)
      .map(([name, value]) => [name, String(value)])
  )

const serveCall = (world: World, member: number, stream: ServerHttp2Stream, headers: IncomingHttpHeaders) =>
  Effect.gen(function* () {
    const path = text(headers, ":path") ?? ""
    const method = path.slice(path.lastIndexOf("/") + 1)
    const message = yield* request(stream)
    const backup = PageApi.decodeGetBaseBackupRequest(message)
    const position = PageApi.decodeLeaseLsnRequest(message)
    const metadata = Object.fromEntries(
      Object.values(PageApi.metadata).flatMap((name) => {
        const value = text(headers, name)
        return value === undefined ? [] : [[name, value] as const]
      })
    )
    const fields =
      path === PageApi.path.getBaseBackup && Result.isSuccess(backup)
        ? describe({ ...backup.success })
        : Result.isSuccess(position)
          ? describe({ lsn: position.success })
          : {}
    const detail = { ...fields, ...metadata }
    const actions = yield* world.heed({ peer: "grpc", member, what: "call", text: method, detail })
    if (Fault.atOnce(actions, "silence") !== undefined) return yield* closed(stream)
    const error = Fault.atOnce(actions, "error")
    if (error !== undefined) return yield* refuse(statusOf(error.code), error.message)
    const raw = Fault.find(actions, "raw")
    if (raw !== undefined) {
      yield* begin(stream, () => null)
      yield* sendRaw(stream, raw)
      return yield* Effect.sync(() => stream.end())
    }
    const ids = yield* admit(world, headers, yield* Clock.currentTimeMillis)
    const call: Call = { world, member, stream, method, ...ids }
    const decoded = <A>(message: Result.Result<A, string>) =>
      Effect.catch(Effect.fromResult(message), (why) => refuse("INTERNAL", `failed to decode Protobuf message: ${why}`))
    if (path === PageApi.path.getBaseBackup) return yield* getBaseBackup(call, yield* decoded(backup), actions)
    if (path === PageApi.path.leaseLsn) return yield* leaseLsn(call, yield* decoded(position), actions)
    return yield* refuse("UNIMPLEMENTED", "")
  }).pipe(Effect.catch((refused) => reject(stream, refused)))

/** Listens until the scope closes. */
export const pageserverGrpc = (
  world: World,
  member: number,
  host: string,
  port: number
): Effect.Effect<{ readonly port: number }, ListenFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const run = yield* FiberSet.makeRuntime<never, void>()
    const sessions = new Set<Http2Session>()
    const server = createServer({ settings: { maxConcurrentStreams: 256 } })
    server.on("session", (session) => {
      sessions.add(session)
      session.once("close", () => sessions.delete(session))
      session.on("error", () => {})
    })
    server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => {
      stream.on("error", () => {})
      run(serveCall(world, member, stream, headers))
    })
    const front = createTcpServer({ noDelay: true }, (socket) => {
      if (world.refuses("grpc", member)) socket.resetAndDestroy()
      else server.emit("connection", acceptable(socket))
    })
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        front.close()
        for (const session of sessions) session.destroy()
      })
    )
    return { port: yield* listen(front, host, port) }
  })

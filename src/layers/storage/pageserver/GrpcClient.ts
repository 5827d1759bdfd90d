/**
 * A connected gRPC client whose messages are bytes: `PageApi` encodes and decodes them.
 *
 * Source: `pageserver/page_api/src/client.rs`, https://grpc.github.io/grpc/core/md_doc_connectivity-semantics-and-api.html
 */
import {
  Client,
  type ClientOptions,
  type ClientReadableStream,
  connectivityState,
  credentials,
  logVerbosity,
  Metadata,
  type MetadataValue,
  type ServiceError,
  setLogVerbosity
} from "@grpc/grpc-js"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { excerpt } from "../../../domain/json/Excerpt.ts"
import { decodeStatusMessage, path, status, statusName } from "../../../domain/storage/PageApi.ts"
import { healingOfStatus } from "../../../domain/storage/PageserverFault.ts"
import { PageserverFailed } from "./errors.ts"

const DEFAULT_PORT = 51051

const options: ClientOptions = {
  "grpc.primary_user_agent": "compute_ctl",
  "grpc.keepalive_time_ms": 30_000,
  "grpc.keepalive_timeout_ms": 20_000,
  "grpc.keepalive_permit_without_calls": 1,
  "grpc.max_receive_message_length": 4 * 1024 * 1024,
  "grpc.max_send_message_length": 4 * 1024 * 1024,
  /** Bytes a server may send before they are read: some messages of a basebackup. */
  "grpc-node.flow_control_window": 1024 * 1024,
  /** MiB of a connection, headers included; by default there is no limit. */
  "grpc-node.max_session_memory": 64,
  // Who asks decides about another try, with a client of its own: nothing here is repeated, shared or redirected.
  "grpc.enable_retries": 0,
  "grpc.initial_reconnect_backoff_ms": 60_000,
  "grpc.use_local_subchannel_pool": 1,
  "grpc.enable_http_proxy": 0,
  "grpc.service_config_disable_resolution": 1,
  "grpc.enable_channelz": 0
}

export const grpcFailed = (code: number, message: string, healing = healingOfStatus(code)): PageserverFailed =>
  new PageserverFailed({
    message: `status: ${statusName(code)}, message: ${JSON.stringify(message)}`,
    code: statusName(code),
    healing
  })

const unreachable = (reason: string): PageserverFailed =>
  new PageserverFailed({ message: `transport error: ${reason}`, code: null, healing: "passing" })

/** The library's words for a stream that was reset and for one that ended without a gRPC status. */
const BROKEN = /^Received (?:RST_STREAM|HTTP status code 200)/

/** Characters of a server's text, which goes into errors and lines of the log. */
const SHOWN = 4000

/** What the library says may lack a code or a text where it failed to read an answer. */
const failureOf = ({ code, details, message }: Partial<ServiceError>): PageserverFailed =>
  grpcFailed(
    BROKEN.test(details ?? "") ? status.UNAVAILABLE : (code ?? status.INTERNAL),
    // The library decodes it like a URI, which leaves the escapes of `#`, `?` and others.
    excerpt(decodeStatusMessage(details ?? message ?? ""), SHOWN),
    ...(BROKEN.test(details ?? "") ? (["passing"] as const) : [])
  )

/** Offers no compression of messages: basebackups are compressed, and servers would do it again. */
class PlainMetadata extends Metadata {
  override set(key: string, value: MetadataValue) {
    super.set(key, key === "grpc-accept-encoding" ? "identity" : value)
  }

  override clone() {
    const copy = new PlainMetadata(this.getOptions())
    copy.merge(this)
    return copy
  }
}

/** Metadata cannot carry every text; the error does not show it. */
const metadataOf = (values: Readonly<Record<string, string>>): Result.Result<Metadata, PageserverFailed> =>
  Result.try({
    try: () => {
      const metadata = new PlainMetadata()
      for (const [name, value] of Object.entries(values)) metadata.set(name, value)
      return metadata
    },
    catch: () => new PageserverFailed({ message: "invalid gRPC metadata", code: null, healing: "never" })
  })

/** `grpc://[user@]host:port`; the user means nothing. */
const clientOf = (url: string): Result.Result<Client, PageserverFailed> => {
  const match = /^(grpc|http|grpcs|https):\/\/(?:[^@/?#]*@)?(\[[^\]]+\]|[^:/?#]+)(?::(\d+))?(?:[/?#].*)?$/.exec(url)
  if (match === null) {
    return Result.fail(new PageserverFailed({ message: "invalid gRPC URL", code: null, healing: "never" }))
  }
  const [, scheme, host, port] = match
  const isPlain = scheme === "grpc" || scheme === "http"
  // Our log has its own form, and errors are told by the calls.
  setLogVerbosity(logVerbosity.NONE)
  return Result.succeed(
    new Client(
      `dns:${host}:${port ?? DEFAULT_PORT}`,
      isPlain ? credentials.createInsecure() : credentials.createSsl(),
      options
    )
  )
}

const bytes = (message: Uint8Array): Buffer => Buffer.from(message.buffer, message.byteOffset, message.byteLength)
const same = (message: Buffer): Buffer => message

export class GrpcClient {
  readonly #client: Client
  readonly #metadata: Metadata
  readonly connectMicros: number

  constructor(client: Client, metadata: Metadata, connectMicros: number) {
    this.#client = client
    this.#metadata = metadata
    this.connectMicros = connectMicros
  }

  readonly isOpen: Effect.Effect<boolean> = Effect.sync(
    () => this.#client.getChannel().getConnectivityState(false) === connectivityState.READY
  )

  /**
   * The one message that answers. `limit`: milliseconds. Asked for as a stream, which it is by the protocol: the library's
   * own call never ends when a second message comes.
   */
  unary(method: string, message: Uint8Array, limit: number): Effect.Effect<Uint8Array, PageserverFailed> {
    return Effect.flatMap(this.stream(method, message, limit), single).pipe(Effect.scoped, stalling(limit))
  }

  /** Cancelled when the scope closes, if it has not ended. `stall`: milliseconds without a message. */
  stream(method: string, message: Uint8Array, stall: number): Effect.Effect<Messages, never, Scope.Scope> {
    return Effect.acquireRelease(
      Effect.sync(() => this.#client.makeServerStreamRequest(method, bytes, same, message, this.#metadata)),
      (call) => Effect.sync(() => call.cancel())
    ).pipe(Effect.map((call) => messages(call, stall)))
  }
}

const stalling = (stall: number) =>
  Effect.timeoutOrElse({
    duration: stall,
    orElse: () => Effect.fail(grpcFailed(status.DEADLINE_EXCEEDED, `nothing came for ${stall} ms`))
  })

/** All messages at hand; none when the call has ended well. What arrived before a failure is given out before it. */
export type Messages = Effect.Effect<ReadonlyArray<Uint8Array>, PageserverFailed>

/** Nothing is read from the connection for a reader who does not come back. */
const messages = (call: ClientReadableStream<Buffer>, stall: number): Messages => {
  let failure: PageserverFailed | null = null
  // Stays: the library reports the cancellation of a call too, and without a listener that would end the process.
  call.on("error", (error: ServiceError) => {
    failure = failureOf(error)
  })
  return Effect.callback<ReadonlyArray<Uint8Array>, PageserverFailed>((resume) => {
    const detach = () => {
      for (const event of ["readable", "end", "error"]) call.off(event, look)
    }
    const look = () => {
      const all: Array<Uint8Array> = []
      for (let one: Buffer | null = call.read(); one !== null; one = call.read()) all.push(one)
      if (all.length === 0 && failure === null && !call.readableEnded) return
      detach()
      resume(all.length === 0 && failure !== null ? Effect.fail(failure) : Effect.succeed(all))
    }
    for (const event of ["readable", "end", "error"]) call.on(event, look)
    look()
    return Effect.sync(detach)
  }).pipe(stalling(stall))
}

const single = Effect.fnUntraced(function* (next: Messages) {
  let answer: Uint8Array | undefined
  for (let some = yield* next; some.length > 0; some = yield* next) {
    if (answer !== undefined || some.length > 1) {
      return yield* Effect.fail(grpcFailed(status.INTERNAL, "too many answers"))
    }
    answer = some[0]
  }
  return answer ?? (yield* Effect.fail(grpcFailed(status.INTERNAL, "no answer")))
})

/** The innermost reason: what wraps it only says that there was one. */
const lastError = (reason: string): string => {
  const begin = reason.indexOf(LAST_ERROR)
  const end = reason.indexOf(". Resolution note", begin)
  if (begin < 0 || end < 0) return reason
  const last = reason.slice(begin + LAST_ERROR.length, end)
  return last.startsWith("Error: ") ? last.slice("Error: ".length) : last
}
const LAST_ERROR = "Last error: "

/** A request without a connection fails at once and tells why there is none. */
const whyUnreachable = (client: Client): Effect.Effect<never, PageserverFailed> =>
  Effect.callback((resume) => {
    const call = client.makeUnaryRequest(path.leaseLsn, bytes, same, new Uint8Array(0), (error) => {
      const reason = error?.details ?? "connection lost"
      resume(Effect.fail(unreachable(lastError(reason))))
    })
    return Effect.sync(() => call.cancel())
  })

const connected = (client: Client): Effect.Effect<void, PageserverFailed> =>
  Effect.callback((resume) => {
    const channel = client.getChannel()
    let isWanted = true
    const look = () => {
      if (!isWanted) return
      const state = channel.getConnectivityState(true)
      if (state === connectivityState.READY) resume(Effect.void)
      else if (state === connectivityState.TRANSIENT_FAILURE) resume(whyUnreachable(client))
      else channel.watchConnectivityState(state, Number.POSITIVE_INFINITY, look)
    }
    look()
    return Effect.sync(() => {
      isWanted = false
    })
  })

const now = () => Number(process.hrtime.bigint() / 1000n)

/** Connects within `limit` milliseconds; closes with the scope. */
export const openClient = (
  url: string,
  values: Readonly<Record<string, string>>,
  limit: number
): Effect.Effect<GrpcClient, PageserverFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const metadata = yield* Effect.fromResult(metadataOf(values))
    const began = now()
    const client = yield* Effect.acquireRelease(
      Effect.suspend(() => Effect.fromResult(clientOf(url))),
      (open) => Effect.sync(() => open.close())
    )
    yield* Effect.timeoutOrElse(connected(client), {
      duration: limit,
      orElse: () => Effect.fail(unreachable(`no connection to ${client.getChannel().getTarget()} within ${limit} ms`))
    })
    return new GrpcClient(client, metadata, now() - began)
  })

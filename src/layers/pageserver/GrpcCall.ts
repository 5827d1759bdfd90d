/**
 * The receiving side of one gRPC call on an HTTP/2 stream: whole messages, then the status.
 *
 * Source: https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md
 */
import type { ClientHttp2Stream, IncomingHttpHeaders } from "node:http2"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import { decodeStatusMessage, FrameReader, status, statusName } from "../../domain/PageApi.ts"
import { isPermanentStatus } from "../../domain/PageserverFault.ts"
import { PageserverFailed } from "./PageserverFailed.ts"

/** Bytes of messages held before the stream is paused. */
const ENOUGH = 1024 * 1024

export const grpcFailed = (code: number, message: string): PageserverFailed =>
  new PageserverFailed({
    message: `status: ${statusName(code)}, message: ${JSON.stringify(message)}`,
    code: statusName(code),
    transient: !isPermanentStatus(code)
  })

/** What a response that is not gRPC means, as the protocol maps it. */
const fromHttpStatus = (http: number): number => {
  if (http === 400) return status.INTERNAL
  if (http === 401) return status.UNAUTHENTICATED
  if (http === 403) return status.PERMISSION_DENIED
  if (http === 404) return status.UNIMPLEMENTED
  return http === 429 || (http >= 502 && http <= 504) ? status.UNAVAILABLE : status.UNKNOWN
}

const first = (value: string | ReadonlyArray<string> | undefined): string | undefined =>
  typeof value === "string" ? value : value?.[0]

/** The status in headers or trailers; null for success, undefined when they do not tell. */
const statusIn = (headers: IncomingHttpHeaders): PageserverFailed | null | undefined => {
  const code = first(headers["grpc-status"])
  if (code === undefined) return undefined
  if (code === "0") return null
  const number = /^\d+$/.test(code) ? Number(code) : status.UNKNOWN
  return grpcFailed(number, decodeStatusMessage(first(headers["grpc-message"]) ?? ""))
}

export class GrpcCall {
  readonly #stream: ClientHttp2Stream
  readonly #stall: number
  readonly #reader = new FrameReader()
  #messages: Array<Uint8Array> = []
  #bytes = 0
  /** Undefined while the call is open, null when it succeeded. */
  #outcome: PageserverFailed | null | undefined = undefined
  #closed = false
  #wake: (() => void) | null = null

  /** `stall`: milliseconds without a message after which the call counts as dead. */
  constructor(stream: ClientHttp2Stream, stall: number) {
    this.#stream = stream
    this.#stall = stall
    stream.on("response", (headers) => this.#respond(headers))
    stream.on("trailers", (trailers) => this.#settle(statusIn(trailers)))
    stream.on("data", (bytes: Buffer) => this.#receive(bytes))
    stream.on("error", (error) => this.#settle(grpcFailed(status.UNAVAILABLE, error.message)))
    stream.on("close", () => this.#close())
  }

  #respond(headers: IncomingHttpHeaders & { readonly ":status"?: number | undefined }) {
    const http = headers[":status"] ?? 0
    const told = statusIn(headers)
    this.#settle(told === undefined && http !== 200 ? grpcFailed(fromHttpStatus(http), `HTTP status ${http}`) : told)
  }

  #settle(outcome: PageserverFailed | null | undefined) {
    if (this.#outcome === undefined) this.#outcome = outcome
  }

  #receive(bytes: Buffer) {
    const cut = this.#reader.push(bytes)
    if (Either.isLeft(cut)) {
      this.#settle(grpcFailed(status.INTERNAL, cut.left))
      this.#stream.close()
      return
    }
    for (const message of cut.right) {
      this.#messages.push(message)
      this.#bytes += message.length
    }
    if (this.#bytes > ENOUGH) this.#stream.pause()
    if (cut.right.length > 0) this.#notify()
  }

  #close() {
    this.#closed = true
    if (this.#outcome === undefined) {
      this.#outcome = grpcFailed(status.UNAVAILABLE, "the stream ended without a status")
    } else if (this.#outcome === null && this.#reader.pending) {
      this.#outcome = grpcFailed(status.INTERNAL, "the stream ended inside a message")
    }
    this.#notify()
  }

  #notify() {
    const wake = this.#wake
    this.#wake = null
    wake?.()
  }

  #arrival(): Effect.Effect<void, PageserverFailed> {
    return Effect.async<void>((resume) => {
      this.#wake = () => resume(Effect.void)
      this.#stream.resume()
      return Effect.sync(() => {
        this.#wake = null
      })
    }).pipe(
      Effect.timeoutFail({
        duration: this.#stall,
        onTimeout: () => grpcFailed(status.DEADLINE_EXCEEDED, `nothing came for ${this.#stall} ms`)
      })
    )
  }

  /** All messages at hand; none when the call has ended well. What arrived before a failure is given out before it. */
  readonly messages: Effect.Effect<ReadonlyArray<Uint8Array>, PageserverFailed> = Effect.suspend(() => {
    if (this.#messages.length > 0) {
      const messages = this.#messages
      this.#messages = []
      this.#bytes = 0
      return Effect.succeed(messages)
    }
    if (this.#closed) return this.#outcome ? Effect.fail(this.#outcome) : Effect.succeed([])
    return Effect.zipRight(this.#arrival(), this.messages)
  })
}

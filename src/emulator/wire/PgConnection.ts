/**
 * The server's end of one Postgres connection: messages in, bytes out, and the handshake as Neon's storage does it.
 *
 * Source: `libs/postgres_backend/src/lib.rs`.
 */
import type { Socket } from "node:net"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Messages from "./pgMessages.ts"

/** The peer has closed, or we have cut it off. */
export class Gone extends Data.TaggedError("Gone") {}

export interface Frontend {
  /** `Q`, `P`, ... */
  readonly type: string
  readonly body: Buffer
}

/** Bytes of a C string at `from`, and where the next field starts. */
export const cstringAt = (body: Buffer, from: number): { readonly text: string; readonly next: number } => {
  const end = body.indexOf(0, from)
  return end < 0
    ? { text: body.toString("utf8", from), next: body.length }
    : { text: body.toString("utf8", from, end), next: end + 1 }
}

export class PgConnection {
  #held: Buffer = Buffer.alloc(0)
  #closed = false
  #wake: () => void = () => {}

  readonly socket: Socket

  constructor(socket: Socket) {
    this.socket = socket
    socket.on("data", (bytes: Buffer) => {
      this.#held = this.#held.length === 0 ? bytes : Buffer.concat([this.#held, bytes])
      this.#wake()
    })
    socket.on("close", () => {
      this.#closed = true
      this.#wake()
    })
    socket.on("end", () => {
      this.#closed = true
      this.#wake()
    })
  }

  /** Exactly so many bytes. */
  take(length: number): Effect.Effect<Buffer, Gone> {
    return Effect.callback((resume) => {
      const attempt = () => {
        if (this.#held.length >= length) {
          this.#wake = () => {}
          const bytes = this.#held.subarray(0, length)
          this.#held = this.#held.subarray(length)
          resume(Effect.succeed(bytes))
        } else if (this.#closed) {
          this.#wake = () => {}
          resume(Effect.fail(new Gone()))
        }
      }
      this.#wake = attempt
      attempt()
      return Effect.sync(() => {
        this.#wake = () => {}
      })
    })
  }

  /** Writes, and waits when the peer is slow to read. */
  send(...parts: ReadonlyArray<Buffer>): Effect.Effect<void, Gone> {
    const bytes = parts.length === 1 ? parts[0] : Buffer.concat(parts)
    return Effect.callback((resume) => {
      if (this.socket.destroyed || bytes === undefined) return resume(Effect.fail(new Gone()))
      const isDone = this.socket.write(bytes, (fault) => {
        if (!isDone) resume(fault ? Effect.fail(new Gone()) : Effect.void)
      })
      if (isDone) resume(Effect.void)
    })
  }

  get read(): Effect.Effect<Frontend, Gone> {
    return Effect.gen({ self: this }, function* () {
      const head = yield* this.take(5)
      const length = head.readInt32BE(1)
      if (length < 4 || length > 64 * 1024 * 1024) return yield* new Gone()
      return { type: String.fromCharCode(head[0] ?? 0), body: yield* this.take(length - 4) }
    })
  }

  /** Says nothing more until the peer gives up. */
  get silence(): Effect.Effect<never, Gone> {
    return Effect.andThen(this.take(Number.MAX_SAFE_INTEGER), Effect.never)
  }

  /** Ends the connection without the courtesy of a FIN first. */
  get cut(): Effect.Effect<never, Gone> {
    return Effect.suspend(() => {
      this.socket.resetAndDestroy()
      return Effect.fail(new Gone())
    })
  }
}

const sslRequest = 80877103
const gssRequest = 80877104
const protocol3 = 196608

/** Startup parameters, after encryption requests have been turned down. */
export const startup = (connection: PgConnection): Effect.Effect<Readonly<Record<string, string>>, Gone> =>
  Effect.gen(function* () {
    for (;;) {
      const length = (yield* connection.take(4)).readInt32BE(0)
      if (length < 8 || length > 10_000) return yield* new Gone()
      const body = yield* connection.take(length - 4)
      const code = body.readInt32BE(0)
      if (code === sslRequest || code === gssRequest) {
        yield* connection.send(Buffer.from("N"))
        continue
      }
      if (code >> 16 !== protocol3 >> 16) return yield* new Gone()
      const params: Record<string, string> = {}
      for (let at = 4; at < body.length - 1; ) {
        const name = cstringAt(body, at)
        const value = cstringAt(body, name.next)
        if (name.text === "") break
        params[name.text] = value.text
        at = value.next
      }
      return params
    }
  })

/**
 * Lets the client in. With `check` it is asked for a password, which is the storage token; a refused one gets the short
 * text and is cut off. Servers send no BackendKeyData.
 */
export const authenticate = <A>(
  connection: PgConnection,
  check: ((token: string) => Result.Result<A, string>) | null
): Effect.Effect<A | null, Gone> =>
  Effect.gen(function* () {
    const encoding = Messages.parameter("client_encoding", "UTF8")
    if (check === null) {
      yield* connection.send(
        Messages.authenticationOk,
        encoding,
        Messages.parameter("integer_datetimes", "on"),
        Messages.parameter("server_version", "14.1"),
        Messages.ready
      )
      return null
    }
    yield* connection.send(Messages.authenticationCleartext)
    const answer = yield* connection.read
    const verdict = answer.type === "p" ? check(cstringAt(answer.body, 0).text) : Result.fail("no password")
    if (Result.isFailure(verdict)) {
      yield* connection.send(Messages.error("XX000", "JWT authentication error"))
      return yield* new Gone()
    }
    yield* connection.send(Messages.authenticationOk, encoding, Messages.ready)
    return verdict.success
  })

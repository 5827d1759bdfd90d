/**
 * One connection of an HTTP server, one request at a time.
 *
 * Node's own server hands out every request of a packet at once: 1,800 requests fit into 60 KB, and a hundred connections of
 * that cost 1.7 GB before a single answer was read. Here the parser gets the bytes of the next request when the answer to
 * the one before it has left; meanwhile nothing is read from the socket.
 *
 * Nothing here counts time: a connection may be silent, and a body slow, for as long as the client likes.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http"
import type { Socket } from "node:net"
import { afterEmptyLine, bodyLength } from "./cut.ts"
import { giveBack, join, snug } from "./memory.ts"
import { readsOnDemand } from "./reading.ts"
import type { Turns } from "./Turns.ts"

/** Bytes of a body that nobody wanted are thrown away up to here, so that the client gets to read its answer. */
const DISCARDED = 65 * 1024 * 1024
/** In chunks, each of which costs. */
const DISCARDED_CHUNKED = 8 * 1024 * 1024
/** Of what precedes a request; the parser has its own limit for the head. */
const UNPARSED = 256 * 1024
/** A body in chunks goes to the parser by so much: each byte of it may be a chunk, which costs microseconds. */
const CHUNKED = 8 * 1024
/** With so much at hand nothing more is read; with less, for the sake of noticing that the client has left. */
const SEEN = 4 * 1024

/** Why a connection is closed, or a request refused. */
export type CloseReason = "limit" | "memory" | "descriptors" | "unread body" | "no request" | "busy"

export interface Connection {
  readonly socket: Socket
  /** No request is under way: nothing is lost but the client's pool entry when it is closed. */
  readonly idle: () => boolean
  /** The request is here in part, and the handler waits for the rest of it. */
  readonly receiving: () => boolean
  /** The answer is ready, and the client does not take it. */
  readonly unread: () => boolean
  /** When it became what it is now; the clock of `performance`. */
  readonly since: () => number
  /** Bytes that are kept for it: not parsed yet, of an unfinished head, of an answer that is not taken. */
  readonly weight: () => number
  /** Takes a request that the parser found. */
  readonly take: (message: IncomingMessage, answer: ServerResponse, handle: RequestListener) => void
  /**
   * The socket speaks another protocol from now on: what has been read of it is put back, and it is neither read, paused nor
   * closed from here any more.
   */
  readonly release: () => void
}

/** What a connection tells its server. */
export interface Owner {
  readonly turns: Turns
  /** Whether these bytes begin a request that is answered before all others. */
  readonly urgent: (bytes: Buffer) => boolean
  /** It has begun or ended a request, or weighs more or less. */
  readonly changed: (connection: Connection) => void
  readonly close: (connection: Connection, reason: CloseReason) => void
}

interface Exchange {
  readonly message: IncomingMessage
  readonly answer: ServerResponse
  readonly handle: RequestListener
}

/** Steps between the socket and the parser that Node's server has attached to it. */
export const attend = (socket: Socket, owner: Owner): Connection => {
  const parsers = socket.listeners("data")
  const reading = readsOnDemand(socket)
  let since = performance.now()
  let current: Exchange | null = null
  /** The answer to `current` has left; what still comes of its body is thrown away. */
  let answered = false
  /** Found in the same piece as the one before. */
  const found: Array<Exchange> = []
  let held: Buffer | null = null
  /** What is held was there before the answer to the request before it had left. */
  let backlog = false
  let queued = false
  let stopped = false
  let released = false
  let unparsed = 0
  let unsent = 0
  let discarded = 0
  /** Bytes of the body that are to come; null when only an empty line tells. */
  let rest: number | null = 0

  const connection: Connection = {
    socket,
    idle: () => !released && (current === null || answered),
    receiving: () =>
      current !== null && !answered && !current.message.complete && current.message.readableFlowing === true,
    unread: () => current !== null && !answered && socket.writableLength > 0,
    since: () => since,
    weight: () => (held === null ? 0 : held.buffer.byteLength + socket.readableLength) + unparsed + unsent,
    take: (message, answer, handle) => {
      const exchange = { message, answer, handle }
      if (current === null) begin(exchange)
      else found.push(exchange)
    },
    release: () => {
      socket.off("data", onData).off("resume", onResume).off("close", onClose)
      if (held !== null) socket.unshift(held)
      held = null
      released = true
      reading.goOn()
      // Who speaks it may have paused the socket.
      stopped = false
    }
  }

  const parse = (bytes: Buffer) => {
    for (const parser of parsers) Reflect.apply(parser, socket, [bytes])
  }

  /** The next request has to wait for the answer to this one. */
  const answering = () => current?.message.complete === true

  const stop = () => {
    stopped = true
    socket.pause()
    if (held === null) return
    held = snug(held)
    if (held.length > SEEN) reading.halt()
  }

  const go = () => {
    if (!stopped) return
    stopped = false
    reading.goOn()
    socket.resume()
  }

  /** Who sends requests without reading answers, or a body, waits behind who asks for something. */
  const enqueue = () => {
    queued = true
    owner.turns.later(work, backlog || current !== null)
  }

  const work = () => {
    queued = false
    advance(true)
    owner.changed(connection)
  }

  /** Nobody reads the body, or not as fast: the parser would keep it in pieces as small as the client made them. */
  const unwanted = () => {
    if (current === null || answered) return false
    const { message } = current
    if (message.readableFlowing !== true && message.listenerCount("readable") === 0) return true
    return message.readableLength >= message.readableHighWaterMark
  }

  const lengthOfPiece = (bytes: Buffer): number => {
    if (current === null) return afterEmptyLine(bytes)
    return rest === null ? Math.min(afterEmptyLine(bytes), CHUNKED) : Math.min(rest, bytes.length)
  }

  /** The piece that the parser gets next. */
  const piece = (bytes: Buffer): Buffer => {
    const end = lengthOfPiece(bytes)
    held = end < bytes.length ? bytes.subarray(end) : null
    return held === null ? bytes : bytes.subarray(0, end)
  }

  /** `granted`: it is this connection's turn, whoever else waits. */
  const advance = (granted: boolean) => {
    for (let may = granted; held !== null; may = false) {
      // What comes behind a last request is not one.
      if (socket.destroyed || !socket.writable) return
      if (answering()) return stop()
      if (unwanted()) {
        // The message asks the socket for more only once, and may have done so already.
        current?.message.off("resume", onResume).once("resume", onResume)
        return stop()
      }
      if (!may && !owner.turns.hasTime() && !owner.urgent(held)) {
        stop()
        return enqueue()
      }
      const bytes = piece(held)
      const tooMuch = count(bytes.length)
      if (tooMuch !== null) return owner.close(connection, tooMuch)
      const before = current
      parse(bytes)
      // The parser has copied what it keeps. Of another protocol's bytes it may have handed on some.
      if (held === null && !released) giveBack(bytes)
      if (current !== null && current === before && answered && answering()) end()
    }
    backlog = false
    go()
  }

  const count = (bytes: number): CloseReason | null => {
    if (current === null) {
      unparsed += bytes
      return unparsed > UNPARSED ? "no request" : null
    }
    // Should the parser not find the end of the body where the head says it is, empty lines tell.
    if (rest !== null) rest = bytes < rest ? rest - bytes : null
    if (answered) discarded += bytes
    return discarded > (rest === null ? DISCARDED_CHUNKED : DISCARDED) ? "unread body" : null
  }

  const begin = (exchange: Exchange) => {
    const { answer, handle, message } = exchange
    current = exchange
    answered = false
    since = performance.now()
    unparsed = 0
    rest = bodyLength(message)
    discarded = 0
    answer.once("prefinish", onSent).once("finish", onLeft)
    owner.changed(connection)
    handle(message, answer)
  }

  /** All of the answer has been given to the socket. */
  const onSent = () => {
    unsent = socket.writableLength
    if (unsent > 0) owner.changed(connection)
  }

  /** All of the answer has been given to the system. */
  const onLeft = () => {
    answered = true
    unsent = 0
    since = performance.now()
    if (answering()) end()
    // Whoever has begun to read and then lost interest has to be told to go on.
    else current?.message.resume()
    owner.changed(connection)
  }

  const end = () => {
    current = null
    answered = false
    since = performance.now()
    const next = found.shift()
    if (next !== undefined) return begin(next)
    backlog = held !== null
    if (backlog && !queued) enqueue()
  }

  const onData = (bytes: Buffer) => {
    held = held === null ? bytes : join(held, bytes)
    if (queued) stop()
    else advance(false)
    owner.changed(connection)
  }

  /** Node's server resumes the socket when a body is read on, but also for other reasons. */
  const onResume = () => {
    if (!stopped || queued) return
    advance(false)
    owner.changed(connection)
  }

  const onClose = () => {
    if (held !== null) giveBack(held)
    held = null
  }

  socket.removeAllListeners("data")
  socket.on("data", onData)
  socket.on("resume", onResume)
  socket.on("close", onClose)
  return connection
}

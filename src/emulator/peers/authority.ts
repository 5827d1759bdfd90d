/**
 * HTTP/2 requests with `user@host` as their authority, which clients of the original send, made acceptable to nghttp2,
 * which refuses them (RFC 9113, 8.3.1): the value is replaced on its way in. Nobody looks at it afterwards.
 *
 * Source: RFC 9113 section 6 (frames), RFC 7541 section 6 (header representations).
 */
import type { Socket } from "node:net"
import { Duplex } from "node:stream"

const preface = 24
const frameHead = 9
const headersFrame = 1
const endHeaders = 0x4
const padded = 0x8
const priority = 0x20
/** `:authority` in the static table. */
const authorityIndex = 1
const replacement = Buffer.from("\u0008emulator", "latin1")

interface Reading {
  readonly value: number
  readonly next: number
}

/** A prefixed integer of RFC 7541, 5.1. */
const integer = (block: Buffer, at: number, bits: number): Reading => {
  const most = (1 << bits) - 1
  let value = (block[at] ?? 0) & most
  let next = at + 1
  if (value < most) return { value, next }
  for (let shift = 0; next < block.length && shift < 28; shift += 7) {
    const byte = block[next] ?? 0
    next++
    value += (byte & 0x7f) << shift
    if (byte < 0x80) break
  }
  return { value, next }
}

/** Where the string that begins here ends. */
const afterString = (block: Buffer, at: number): number => {
  const length = integer(block, at, 7)
  return length.next + length.value
}

/** The header block with every literal `:authority` replaced. Exported for tests. */
export const replaceAuthority = (block: Buffer): Buffer => {
  const parts: Array<Buffer> = []
  for (let at = 0; at < block.length; ) {
    const first = block[at] ?? 0
    const isIndexed = first >= 0x80
    const isResize = !isIndexed && (first & 0xe0) === 0x20
    const { value: index, next } = integer(block, at, isIndexed ? 7 : (first & 0xc0) === 0x40 ? 6 : isResize ? 5 : 4)
    if (isIndexed || isResize) {
      parts.push(block.subarray(at, next))
      at = next
      continue
    }
    const value = index === 0 ? afterString(block, next) : next
    const end = afterString(block, value)
    parts.push(block.subarray(at, value), index === authorityIndex ? replacement : block.subarray(value, end))
    at = end
  }
  return Buffer.concat(parts)
}

const rewriteFrame = (frame: Buffer): Buffer => {
  const flags = frame[4] ?? 0
  const isWhole = frame[3] === headersFrame && (flags & endHeaders) !== 0 && (flags & padded) === 0
  if (!isWhole) return frame
  const start = frameHead + ((flags & priority) === 0 ? 0 : 5)
  const block = replaceAuthority(frame.subarray(start))
  const head = Buffer.from(frame.subarray(0, start))
  head.writeUIntBE(start - frameHead + block.length, 0, 3)
  return Buffer.concat([head, block])
}

/** Cuts a client's bytes into frames; bytes of a frame that is not whole yet are held back. */
const rewriter = (): ((bytes: Buffer) => Buffer) => {
  let held: Buffer = Buffer.alloc(0)
  let isGreeted = false
  return (bytes) => {
    held = held.length === 0 ? bytes : Buffer.concat([held, bytes])
    const out: Array<Buffer> = []
    if (!isGreeted) {
      if (held.length < preface) return Buffer.alloc(0)
      isGreeted = true
      out.push(held.subarray(0, preface))
      held = held.subarray(preface)
    }
    while (held.length >= frameHead) {
      const end = frameHead + held.readUIntBE(0, 3)
      if (held.length < end) break
      out.push(rewriteFrame(held.subarray(0, end)))
      held = held.subarray(end)
    }
    return Buffer.concat(out)
  }
}

/** The connection as an HTTP/2 server may read it. Ends with the socket, and the socket with it. */
export const acceptable = (socket: Socket): Duplex => {
  const rewrite = rewriter()
  const duplex = new Duplex({
    read: () => void socket.resume(),
    write: (chunk: Buffer, _encoding, done) => void socket.write(chunk, (fault) => done(fault)),
    final: (done) => void socket.end(() => done()),
    destroy: (fault, done) => {
      socket.destroy()
      done(fault)
    }
  })
  socket.on("data", (bytes: Buffer) => {
    const rewritten = rewrite(bytes)
    if (rewritten.length > 0 && !duplex.push(rewritten)) socket.pause()
  })
  socket.on("end", () => duplex.push(null))
  socket.on("error", () => {})
  socket.on("close", () => duplex.destroy())
  return duplex
}

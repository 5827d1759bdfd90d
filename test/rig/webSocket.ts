/**
 * The client's side of a WebSocket, byte by byte, for clients that know no manners.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Client, connect } from "./clients.ts"
import { until } from "./waits.ts"

/** The head that asks for the protocol. */
export const upgrade = (path: string): string =>
  [
    `GET ${path} HTTP/1.1`,
    "Host: a",
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    `Sec-WebSocket-Key: ${Buffer.alloc(16, "k").toString("base64")}`,
    "",
    ""
  ].join("\r\n")

const lengthOf = (length: number): Buffer => {
  if (length < 126) return Buffer.from([0x80 | length])
  const head = Buffer.alloc(length < 0x10000 ? 3 : 9)
  head[0] = 0x80 | (length < 0x10000 ? 126 : 127)
  if (length < 0x10000) head.writeUInt16BE(length, 1)
  else head.writeBigUInt64BE(BigInt(length), 1)
  return head
}

export const maskedFrame = (opcode: number, body: Uint8Array, final = true): Buffer => {
  const mask = [0x12, 0x34, 0x56, 0x78]
  const masked = Buffer.from(body).map((byte, at) => byte ^ (mask[at % 4] ?? 0))
  return Buffer.concat([Buffer.from([(final ? 0x80 : 0) | opcode]), lengthOf(body.length), Buffer.from(mask), masked])
}

export const TEXT = 1
export const PING = 9

/** An agent whose greeting was answered. */
export const greet = (port: number): Effect.Effect<Client, never, Scope.Scope> =>
  Effect.gen(function* () {
    const client = yield* connect(port)
    client.socket.write(upgrade("/monitor"))
    client.socket.write(maskedFrame(TEXT, Buffer.from('{"min":1,"max":1}')))
    yield* until("the answer to the greeting", () => client.received().includes('{"version":1}') || client.closed())
    return client
  })

/**
 * A Postgres server that says what it is told to say, and remembers what it heard.
 */
import * as fs from "node:fs"
import * as net from "node:net"
import type { Duplex } from "node:stream"
import * as tls from "node:tls"
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"

export const message = (type: string, body: Buffer | string = ""): Buffer => {
  const bytes = typeof body === "string" ? Buffer.from(body, "latin1") : body
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeUInt32BE(bytes.length + 4, 1)
  return Buffer.concat([head, bytes])
}

export const ready = message("Z", "I")
export const welcome = Buffer.concat([message("R", "\0\0\0\0"), message("S", "client_encoding\0UTF8\0"), ready])
export const failure = (sqlstate: string, text: string) => message("E", `SERROR\0C${sqlstate}\0M${text}\0\0`)

export interface Script {
  /** After the startup packet. */
  readonly greeting?: Buffer
  /** After each message of the client: its answer, and whether to hang up then. */
  readonly answer?: (type: string, body: Buffer) => { readonly bytes?: Buffer; readonly hangUp?: boolean } | undefined
}

export interface ScriptedServer {
  readonly port: number
  readonly startups: ReadonlyArray<Buffer>
  readonly heard: ReadonlyArray<string>
  readonly sockets: ReadonlySet<net.Socket>
}

const record = () => {
  const startups: Array<Buffer> = []
  const heard: Array<string> = []
  const converse = (stream: Duplex, script: Script) => {
    let held = Buffer.alloc(0)
    let started = false
    stream.on("data", (bytes: Buffer) => {
      held = Buffer.concat([held, bytes])
      for (;;) {
        const head = started ? 1 : 0
        if (held.length < head + 4) return
        const length = held.readUInt32BE(head)
        if (held.length < head + length) return
        const whole = held.subarray(0, head + length)
        held = held.subarray(head + length)
        if (!started) {
          startups.push(whole)
          started = true
          stream.write(script.greeting ?? welcome)
          continue
        }
        const type = whole.toString("latin1", 0, 1)
        heard.push(`${type} ${whole.toString("latin1", 5).replace(/\0$/, "")}`.trim())
        const answer = script.answer?.(type, whole.subarray(5))
        if (answer?.bytes !== undefined) stream.write(answer.bytes)
        if (answer?.hangUp === true) stream.end()
      }
    })
  }
  return { startups, heard, converse }
}

const listening = (
  startups: ReadonlyArray<Buffer>,
  heard: ReadonlyArray<string>,
  serve: (socket: net.Socket) => void
) =>
  Effect.acquireRelease(
    Effect.callback<ScriptedServer & { readonly close: () => void }>((resume) => {
      const sockets = new Set<net.Socket>()
      const server = net.createServer((socket) => {
        sockets.add(socket)
        socket.on("error", () => {})
        socket.on("close", () => sockets.delete(socket))
        serve(socket)
      })
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        const port = typeof address === "object" && address !== null ? address.port : 0
        const close = () => {
          server.close()
          for (const socket of sockets) socket.destroy()
        }
        resume(Effect.succeed({ port, startups, heard, sockets, close }))
      })
    }),
    (server) => Effect.sync(server.close)
  )

export const scriptedServer = (script: Script) => {
  const { startups, heard, converse } = record()
  return listening(startups, heard, (socket) => converse(socket, script))
}

const fixture = (name: string) => fs.readFileSync(new URL(`../../../fixtures/tls/${name}`, import.meta.url))

/** Awaits a request for TLS first; grants it with a self-signed certificate, or turns it down and goes on in plain text. */
export const tlsServer = (grants: boolean, answer: NonNullable<Script["answer"]>) => {
  const { startups, heard, converse } = record()
  return listening(startups, heard, (socket) => {
    socket.once("data", (request) => {
      assert.strictEqual(request.toString("hex"), "0000000804d2162f")
      socket.write(grants ? "S" : "N")
      if (!grants) return converse(socket, { answer })
      const secure = new tls.TLSSocket(socket, { isServer: true, key: fixture("ec.key"), cert: fixture("ec.crt") })
      secure.on("error", () => {})
      converse(secure, { answer })
    })
  })
}

/**
 * A Postgres client that only frames: what a server sent is seen as it was sent.
 */
import { connect, type Socket } from "node:net"
import * as Effect from "effect/Effect"

export interface Backend {
  readonly type: string
  readonly body: Buffer
}

const int32 = (value: number): Buffer => {
  const out = Buffer.alloc(4)
  out.writeInt32BE(value)
  return out
}

export const message = (type: string, body: Buffer | string = ""): Buffer => {
  const bytes = Buffer.from(body)
  return Buffer.concat([Buffer.from(type), int32(bytes.length + 4), bytes])
}

export const startup = (params: Readonly<Record<string, string>>): Buffer => {
  const body = Buffer.from(`${Object.entries(params).flat().join("\0")}\0\0`)
  return Buffer.concat([int32(body.length + 8), int32(196608), body])
}

/** Messages until the connection ends or `enough` of them are there; then it is closed by us. */
export const exchange = (
  address: string,
  bytes: ReadonlyArray<Buffer>,
  enough: (all: ReadonlyArray<Backend>) => boolean = () => false
): Effect.Effect<{ readonly messages: ReadonlyArray<Backend>; readonly rest: Buffer }> =>
  Effect.callback((resume) => {
    const port = Number(address.slice(address.lastIndexOf(":") + 1))
    let held = Buffer.alloc(0)
    const messages: Array<Backend> = []
    const socket: Socket = connect(port, "127.0.0.1", () => socket.write(Buffer.concat(bytes)))
    const done = () => {
      socket.destroy()
      resume(Effect.succeed({ messages, rest: held }))
    }
    socket.on("data", (part: Buffer) => {
      held = Buffer.concat([held, part])
      while (held.length >= 5 && held.length >= held.readInt32BE(1) + 1) {
        const end = held.readInt32BE(1) + 1
        messages.push({ type: String.fromCharCode(held[0] ?? 0), body: held.subarray(5, end) })
        held = held.subarray(end)
      }
      if (enough(messages)) done()
    })
    socket.on("error", () => {})
    socket.on("close", done)
    return Effect.sync(() => socket.destroy())
  })

/** As the recordings have it: runs of CopyData as one, bodies as Latin-1, numbers that depend on the clock as N. */
export const recordedForm = (messages: ReadonlyArray<Backend>): ReadonlyArray<readonly [string, string]> => {
  const out: Array<readonly [string, string]> = []
  for (const { type, body } of messages) {
    if (type !== "d") out.push([type, body.toString("latin1").replace(/\r\d{13}/, "N")])
    else if (out.at(-1)?.[0] !== "d*") out.push(["d*", ""])
  }
  return out
}

/** The archive that came as CopyData. */
export const copied = (messages: ReadonlyArray<Backend>): Buffer =>
  Buffer.concat(messages.filter(({ type }) => type === "d").map(({ body }) => body))

export const texts = (messages: ReadonlyArray<Backend>, type: string): ReadonlyArray<string> =>
  messages.filter((each) => each.type === type).map(({ body }) => body.toString("latin1"))

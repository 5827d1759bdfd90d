/**
 * From the start-up message to the first ReadyForQuery.
 */
import type * as net from "node:net"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { connectFailed, serverError, unexpected, type WireFailed } from "./errors.ts"
import * as Frames from "./Frames.ts"
import { cost, type Inbox } from "./Inbox.ts"
import type { Proof } from "./scram.ts"

export interface Identity {
  /** Sent in this order. */
  readonly parameters: ReadonlyArray<readonly [string, string]>
  /** Sent, or proved, only when the server asks. */
  readonly password: Redacted.Redacted<string> | null
  /** Listens for what the server says of itself. */
  readonly heard?: (parameter: string, value: string) => void
}

/** What a server may say before it comes to the point; one that never does would be listened to for ever. */
export const PATIENCE = 1024 * 1024

export const pointless = () => unexpected("the server sends messages without an answer")

/** Messages a server may send at any time. */
export const isAside = (frame: Frames.Frame): boolean =>
  frame.type === "S" || frame.type === "N" || frame.type === "K" || frame.type === "A"

/** The next message of an answer. `skip`: types that are passed by besides. */
export const nextFrame = (
  inbox: Inbox,
  skip = "",
  aside: (frame: Frames.Frame) => void = () => {}
): Effect.Effect<Frames.Frame, WireFailed> => {
  const from = (passed: number): Effect.Effect<Frames.Frame, WireFailed> =>
    Effect.flatMap(inbox.take, (frame) => {
      if (!isAside(frame) && !skip.includes(frame.type)) return Effect.succeed(frame)
      aside(frame)
      return passed > PATIENCE ? pointless() : from(passed + cost(frame))
    })
  return from(0)
}

export const refused = (frame: Frames.Frame): WireFailed =>
  frame.type === "E"
    ? serverError(Frames.errorFields(frame.body))
    : unexpected(`unexpected message from server: ${frame.type}`)

/** Name and value of a ParameterStatus. */
const parameterStatus = (body: Buffer): readonly [string, string] => {
  const [name = "", value = ""] = body.toString("utf8").split("\0")
  return [name, value]
}

const ADMITTED = 0
const CLEARTEXT = 3

const loadProof = Effect.promise(() => import("./scram.ts"))

/** The server's name for the session, when it has given one. */
export const authenticate = (
  inbox: Inbox,
  socket: net.Socket,
  { heard, parameters, password }: Identity
): Effect.Effect<Frames.BackendKey | null, WireFailed> =>
  Effect.gen(function* () {
    if (parameters.some((pair) => pair.some((text) => text.includes("\0")))) {
      return yield* connectFailed("invalid configuration: a parameter has a NUL in it")
    }
    socket.write(Frames.startup(parameters))
    const told: { key: Frames.BackendKey | null; proof: Proof | null } = { key: null, proof: null }
    let asked = false
    let admitted = false
    const aside = ({ body, type }: Frames.Frame) => {
      if (type === "K") told.key = Frames.backendKey(body)
      if (type === "S") heard?.(...parameterStatus(body))
    }
    const user = parameters.find(([name]) => name === "user")?.[1] ?? ""
    for (;;) {
      const frame = yield* nextFrame(inbox, "", aside)
      if (frame.type === "Z" && admitted) return told.key
      if (frame.type !== "R" || frame.body.length < 4 || admitted) return yield* refused(frame)
      const request = frame.body.readUInt32BE(0)
      if (request === ADMITTED) {
        if (told.proof?.isComplete() === false)
          return yield* unexpected("the server has not shown that it knows the password")
        admitted = true
      } else if (request === CLEARTEXT && asked) {
        return yield* unexpected(`authentication method ${request} is not supported`)
      } else if (password === null) {
        return yield* connectFailed("invalid configuration: password missing")
      } else if (request === CLEARTEXT) {
        asked = true
        socket.write(Frames.password(Redacted.value(password)))
      } else {
        asked = true
        const proof = told.proof ?? (yield* loadProof).proofOf(user, Redacted.value(password))
        told.proof = proof
        const reply = yield* Effect.mapError(
          Effect.fromResult(proof.answer(request, frame.body.subarray(4))),
          unexpected
        )
        if (reply !== null) socket.write(reply)
      }
    }
  })

/**
 * Whether a server accepts connections, by its answer to a startup packet; no program is run for it.
 *
 * Source: `src/bin/scripts/pg_isready.c` and `PQping` of PostgreSQL; protocol 3.0, message formats.
 */
import * as net from "node:net"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { codeOf } from "../../domain/observe/ErrorChain.ts"

export type Server = { readonly path: string } | { readonly host: string; readonly port: number }

/** No server there, or one that is starting up or shutting down. */
export class NotAccepting extends Data.TaggedError("NotAccepting")<{
  readonly message: string
  /** There is not even a socket to ask at. */
  readonly isAbsent?: boolean
}> {}

/** Bytes of a refusal. */
const LONGEST = 64 * 1024
/** As long as `pg_isready` waits. */
const LIMIT = "3 seconds"

/** Where a client looks that is told a port only: the socket directory the binaries were built with. */
export const defaultServer = (pgbin: string, port: number): { readonly server: { readonly path: string } } => {
  const directory = pgbin.startsWith("/usr/lib/postgresql/") ? "/var/run/postgresql" : "/tmp"
  return { server: { path: `${directory}/.s.PGSQL.${port}` } }
}

const startup = (parameters: Readonly<Record<string, string>>): Buffer => {
  const body = Buffer.from(`${Object.entries(parameters).flat().join("\0")}\0\0`)
  const head = Buffer.alloc(8)
  head.writeInt32BE(8 + body.length, 0)
  head.writeInt32BE(0x00030000, 4)
  return Buffer.concat([head, body])
}

const TERMINATE = Buffer.from([0x58, 0, 0, 0, 4])

/** Of an ErrorResponse: code and text. */
const fields = (message: Buffer): { readonly code: string; readonly text: string } => {
  const found = new Map(
    message
      .subarray(5)
      .toString("utf8")
      .split("\0")
      .map((field) => [field.slice(0, 1), field.slice(1)] as const)
  )
  return { code: found.get("C") ?? "", text: found.get("M") ?? "no message" }
}

/** A refusal of the user is an answer of a server that accepts connections; "not now" is not. */
const verdict = (message: Buffer): Effect.Effect<void, NotAccepting> | null => {
  if (message[0] === 0x52) return Effect.void
  if (message[0] !== 0x45) return Effect.fail(new NotAccepting({ message: "the answer is not Postgres'" }))
  if (message.length < 5 || message.length < 1 + message.readInt32BE(1)) return null
  const { code, text } = fields(message)
  return code === "57P03" ? Effect.fail(new NotAccepting({ message: text })) : Effect.void
}

export const ping = ({
  server,
  user,
  database,
  options
}: {
  readonly server: Server
  readonly user: string
  readonly database: string
  /** A server that trusts the user opens the session whole, with all that a database has set for its sessions. */
  readonly options: string
}) =>
  Effect.callback<void, NotAccepting>((resume) => {
    const socket = net.connect({ ...server }, () =>
      socket.write(startup({ user, database, application_name: "compute_ctl:liveness", options }))
    )
    let received = Buffer.alloc(0)
    const settle = (result: Effect.Effect<void, NotAccepting>) => {
      socket.removeAllListeners()
      socket.on("error", () => undefined)
      socket.end(TERMINATE)
      socket.destroySoon()
      resume(result)
    }
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, typeof chunk === "string" ? Buffer.from(chunk) : chunk])
      const result = verdict(received)
      if (result !== null) settle(result)
      else if (received.length > LONGEST) settle(Effect.fail(new NotAccepting({ message: "the answer has no end" })))
    })
    socket.on("error", (error) =>
      settle(Effect.fail(new NotAccepting({ message: error.message, isAbsent: codeOf(error) === "ENOENT" })))
    )
    socket.on("close", () => settle(Effect.fail(new NotAccepting({ message: "the server closed the connection" }))))
    return Effect.sync(() => socket.destroy())
  }).pipe(
    Effect.timeoutOrElse({
      duration: LIMIT,
      orElse: () => Effect.fail(new NotAccepting({ message: "no answer within 3 s" }))
    })
  )

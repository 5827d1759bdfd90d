/**
 * Whether a server accepts connections, by its answer to a startup packet; no program is run for it.
 *
 * Source: `src/bin/scripts/pg_isready.c` and `PQping` of PostgreSQL; protocol 3.0, message formats.
 */
import * as net from "node:net"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { codeOf } from "../../domain/observe/ErrorChain.ts"
import { errorFields, type Frame, FrameReader, startup, terminate } from "../sql/wire/Frames.ts"

export type Server = { readonly path: string } | { readonly host: string; readonly port: number }

/** No server there, or one that is starting up or shutting down. */
export class NotAccepting extends Data.TaggedError("NotAccepting")<{
  readonly message: string
  /** There is not even a socket to ask at. */
  readonly isAbsent?: boolean
}> {}

const notPostgres = new NotAccepting({ message: "the answer is not Postgres'" })

/** Bytes of a refusal. */
const LONGEST = 64 * 1024
/** As long as `pg_isready` waits. */
const LIMIT = "3 seconds"

/** Where a client looks that is told a port only: the socket directory the binaries were built with. */
export const defaultServer = (pgbin: string, port: number): { readonly server: { readonly path: string } } => {
  const directory = pgbin.startsWith("/usr/lib/postgresql/") ? "/var/run/postgresql" : "/tmp"
  return { server: { path: `${directory}/.s.PGSQL.${port}` } }
}

/** A refusal of the user is an answer of a server that accepts connections; "not now" is not. */
const verdict = ({ body, type }: Frame): Effect.Effect<void, NotAccepting> => {
  if (type !== "E") return type === "R" ? Effect.void : Effect.fail(notPostgres)
  const fields = errorFields(body)
  return fields.get("C") === "57P03"
    ? Effect.fail(new NotAccepting({ message: fields.get("M") ?? "no message" }))
    : Effect.void
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
      socket.write(startup(Object.entries({ user, database, application_name: "compute_ctl:liveness", options })))
    )
    const reader = new FrameReader({ data: LONGEST, other: LONGEST })
    const settle = (result: Effect.Effect<void, NotAccepting>) => {
      socket.removeAllListeners()
      socket.on("error", () => undefined)
      socket.end(terminate)
      socket.destroySoon()
      resume(result)
    }
    socket.on("data", (chunk) => {
      const { fault, frames } = reader.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk)
      const [first] = frames
      if (first !== undefined) settle(verdict(first))
      else if (fault !== null) settle(Effect.fail(notPostgres))
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

/**
 * Logins that wait for a lock. A tenant may hold one that every login into his database needs: `ALTER DATABASE ... RENAME` in
 * a transaction that he leaves open has it. No limit of ours counts by then, since a backend reads the options of its session
 * after that, and it goes on waiting when its client has gone: each try would leave one more of the server's connections taken.
 *
 * Such a backend is known by its title, which has the port of our socket in it, and is ended by us. Where titles cannot be
 * read, or the socket is not a network's, the limit for the whole connection is all there is.
 */
import type * as net from "node:net"
import * as Effect from "effect/Effect"
import { excerpt } from "../../../domain/json/Excerpt.ts"
import { signalPid, titled } from "../../machine/pids.ts"
import type { Server } from "../Server.ts"
import { WireFailed } from "../wire/errors.ts"

/** Before a login is looked at, and from one look to the next. */
const LOOK = "1 second"
/** Milliseconds for the lock. */
const LONGEST = 15_000
/** The same for those that come after one that has waited in vain: whoever holds one lock holds more. */
const SHORT = 2000
/** How long such a one is remembered. */
const MEMORY = 60_000

/** Characters of a name. */
const SHOWN = 64

export interface Client {
  readonly user: string
  readonly database: string
}

const HEAD = "postgres: "

/** Whether a title is that of the backend at the other end: `postgres: [cluster: ]user database address(port) what it does`. */
const backendOf = ({ database, user }: Client, { localAddress = "", localPort = 0 }: net.Socket) => {
  const places = [localAddress.replace(/^::ffff:/, ""), "localhost"].map(
    (address) => `${user} ${database} ${address}(${localPort}) `
  )
  return (title: string): boolean =>
    title.startsWith(HEAD) &&
    places.some((place) => title.startsWith(place, HEAD.length) || title.includes(`: ${place}`, HEAD.length))
}

const failed = ({ database }: Client) =>
  new WireFailed({
    message: `error connecting to server: the login waits for a lock that somebody holds on database "${excerpt(database, SHOWN)}"`,
    kind: "server",
    severity: "FATAL",
    sqlstate: "55P03",
    detail: null,
    hint: null
  })

export const attended =
  (client: Client, lockedOut: Server["lockedOut"]) =>
  (socket: net.Socket) =>
  <A>(login: Effect.Effect<A, WireFailed>): Effect.Effect<A, WireFailed> => {
    if (socket.localPort === undefined) return login
    const find = titled(backendOf(client, socket))
    const end = Effect.flatMap(find, (found) => Effect.forEach(found, ({ pid }) => signalPid(pid, "SIGTERM")))
    const watch = (since: number | null): Effect.Effect<never, WireFailed> =>
      Effect.gen(function* () {
        yield* Effect.sleep(LOOK)
        const waits = (yield* find).some(({ title }) => title.trimEnd().endsWith(" waiting"))
        if (!waits) return yield* watch(null)
        const now = performance.now()
        const limit = now - lockedOut.at < MEMORY ? SHORT : LONGEST
        if (now - (since ?? now) < limit) return yield* watch(since ?? now)
        lockedOut.at = now
        yield* end
        return yield* failed(client)
      })
    return Effect.onInterrupt(Effect.raceFirst(login, watch(null)), () => end)
  }

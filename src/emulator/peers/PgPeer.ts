/** What pageserver and safekeeper share on the Postgres protocol: listening, greeting, checking the token. */
import type { Socket } from "node:net"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { sendRaw } from "../raw.ts"
import type { World } from "../World.ts"
import { authenticate, type Gone, PgConnection, startup } from "../wire/PgConnection.ts"
import { type ListenFailed, serve } from "./TcpServer.ts"
import * as Tokens from "./Tokens.ts"

/** One client that was let in. */
export interface Guest {
  readonly world: World
  readonly member: number
  readonly connection: PgConnection
  /** Parameters of its startup message. */
  readonly params: Readonly<Record<string, string>>
  /** Null where no token is wanted. */
  readonly claims: Tokens.Claims | null
}

const greet = (
  peer: "pageserver" | "safekeeper",
  world: World,
  member: number,
  connection: PgConnection,
  converse: (guest: Guest) => Effect.Effect<void, Gone>
): Effect.Effect<void, Gone> =>
  Effect.gen(function* () {
    const params = yield* startup(connection)
    world.note({ peer, member, what: "startup", text: params["options"] ?? "", detail: params })
    const raw = world.rawStartup(peer, member)
    if (raw !== undefined) return yield* sendRaw(connection.socket, raw)
    const now = yield* Clock.currentTimeMillis
    const keys = world.storageKeys
    const claims = yield* authenticate(connection, keys.length === 0 ? null : (token) => Tokens.check(keys, token, now))
    yield* converse({ world, member, connection, params, claims })
  })

/** Listens until the scope closes. `member` is the shard's number, or the safekeeper's in its quorum, from 0. */
export const pgPeer =
  (peer: "pageserver" | "safekeeper", converse: (guest: Guest) => Effect.Effect<void, Gone>) =>
  (
    world: World,
    member: number,
    host: string,
    port: number
  ): Effect.Effect<{ readonly port: number }, ListenFailed, Scope.Scope> =>
    serve(host, port, (socket: Socket) => {
      if (world.refuses(peer, member)) return Effect.sync(() => socket.resetAndDestroy())
      return Effect.ignore(greet(peer, world, member, new PgConnection(socket), converse))
    })

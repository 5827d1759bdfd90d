/**
 * One connection per session, on the plain driver: a pool's client belongs to one database, ours go to every one.
 */
import * as net from "node:net"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { Client } from "pg"
import type { ServerVersion } from "../../domain/postgres/SessionOptions.ts"
import { type ClientConfig, clientConfig } from "./connection.ts"
import { connectFailed, connectTimedOut, statementFailed } from "./failures.ts"
import { entering } from "./patience.ts"
import type { Server } from "./Server.ts"
import type { MetVersion } from "./ServerVersion.ts"
import type { SqlFailed } from "./SqlFailed.ts"
import { purposeOf, type SessionOptions, type SqlSession } from "./SqlSession.ts"

const CANCEL_REQUEST = 80877102
const CONNECT_TIMEOUT = Duration.seconds(10)
/** For a cancel request to be delivered, for the statement to notice, for the goodbye. */
const FAREWELL_MILLIS = 1000

/** Settles when `wait` does, or when the farewell is over. */
const briefly = (wait: Promise<unknown>): Promise<void> =>
  new Promise((resolve) => {
    const timer = setTimeout(resolve, FAREWELL_MILLIS)
    const done = () => {
      clearTimeout(timer)
      resolve()
    }
    wait.then(done, done)
  })

interface BackendKey {
  readonly processID: number | null
  readonly secretKey: number | null
}

const streamOf = (client: Client): net.Socket | undefined => {
  const connection: unknown = Reflect.get(client, "connection")
  const stream: unknown =
    typeof connection === "object" && connection !== null ? Reflect.get(connection, "stream") : null
  return stream instanceof net.Socket ? stream : undefined
}

const backendKey = (client: Client): BackendKey => {
  const pid: unknown = Reflect.get(Object(client), "processID")
  const key: unknown = Reflect.get(Object(client), "secretKey")
  return { processID: typeof pid === "number" ? pid : null, secretKey: typeof key === "number" ? key : null }
}

/** The process id of a session's backend; null when the server did not tell. */
export const backendOf = ({ client }: SqlSession): number | null => backendKey(client).processID

/** A cancel request travels on a connection of its own. */
const cancelInServer = (client: Client, { host, port }: ClientConfig): Promise<void> => {
  const { processID, secretKey } = backendKey(client)
  if (processID === null || secretKey === null) return Promise.resolve()
  const message = Buffer.alloc(16)
  message.writeInt32BE(16, 0)
  message.writeInt32BE(CANCEL_REQUEST, 4)
  message.writeInt32BE(processID, 8)
  message.writeInt32BE(secretKey, 12)
  const socket = host.startsWith("/") ? net.connect(`${host}/.s.PGSQL.${port}`) : net.connect(port, host)
  const closed = new Promise<void>((resolve) => {
    socket.once("error", () => resolve())
    socket.once("close", () => resolve())
    socket.once("connect", () => socket.end(message))
  })
  return briefly(closed).then(() => {
    socket.destroy()
  })
}

const close = (client: Client): Promise<void> =>
  briefly(client.end()).then(() => {
    streamOf(client)?.destroy()
  })

const connect = (
  config: ClientConfig,
  options: SessionOptions,
  met: MetVersion
): Effect.Effect<Client, SqlFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const client = new Client({ ...config, pipeline: options.pipeline === true, keepAlive: true })
      // A connection that breaks while idle is reported by the next statement.
      client.on("error", () => undefined)
      met.listen(client)
      return client
    }),
    (client) => Effect.promise(() => close(client))
  ).pipe(
    Effect.tap((client) =>
      Effect.callback<void, SqlFailed>((resume) => {
        client.connect().then(
          () => resume(Effect.void),
          (error: unknown) => resume(Effect.fail(connectFailed(error)))
        )
        return Effect.sync(() => streamOf(client)?.destroy())
      }).pipe(
        Effect.timeoutOrElse({
          duration: options.connectTimeout ?? CONNECT_TIMEOUT,
          orElse: () => Effect.fail(connectTimedOut)
        })
      )
    )
  )

const sessionOf = (client: Client, config: ClientConfig): SqlSession => {
  const run = <A>(submit: () => Promise<A>): Effect.Effect<A, SqlFailed> =>
    Effect.callback<A, SqlFailed>((resume) => {
      const answer = submit()
      answer.then(
        (value) => resume(Effect.succeed(value)),
        (error: unknown) => resume(Effect.fail(statementFailed(error)))
      )
      const abandon = async () => {
        let answered = false
        const noted = answer.then(
          () => {
            answered = true
          },
          () => {
            answered = true
          }
        )
        await cancelInServer(client, config)
        await briefly(noted)
        if (!answered) streamOf(client)?.destroy()
      }
      return Effect.promise(abandon)
    })
  return {
    client,
    query: <Row extends object>(text: string, values?: ReadonlyArray<unknown>) =>
      run(() => client.query<Row & Record<string, unknown>>(text, values === undefined ? undefined : [...values])).pipe(
        Effect.map((result): ReadonlyArray<Row> => result.rows)
      ),
    script: (text) => Effect.asVoid(run(() => client.query(text)))
  }
}

/** `invalid_password`, `invalid_authorization_specification`: the branch may be so old that it has no `cloud_admin`. */
const lacksAdmin = (error: SqlFailed) => error.sqlstate === "28P01" || error.sqlstate === "28000"

const createAdmin = (connect: Connect) =>
  Effect.logWarning("no cloud_admin in this cluster: creating it as zenith_admin").pipe(
    Effect.andThen(connect("zenith_admin")),
    Effect.flatMap((session) =>
      session.script("CREATE USER cloud_admin WITH SUPERUSER; GRANT zenith_admin TO cloud_admin")
    ),
    Effect.scoped
  )

/** `undefined_object`: at login, a setting. */
const isUnknownSetting = (error: SqlFailed) => error.sqlstate === "42704"

type Connect = (superuser?: "zenith_admin") => Effect.Effect<SqlSession, SqlFailed, Scope.Scope>

/** An older server than expected refuses an option of a newer one, and the session with it. */
const connectTo = ({ commit, connstr, met }: Server, options: SessionOptions): Connect => {
  const attempt = (
    version: ServerVersion,
    superuser?: "zenith_admin"
  ): Effect.Effect<SqlSession, SqlFailed, Scope.Scope> => {
    const config = Effect.map(commit, (wanted) =>
      clientConfig(connstr, options, { version, commit: wanted }, superuser)
    )
    return config.pipe(
      Effect.flatMap((given) => Effect.map(connect(given, options, met), (client) => sessionOf(client, given))),
      Effect.catchIf(isUnknownSetting, (error) => {
        const fewer = met.below(version)
        return fewer === null ? Effect.fail(error) : attempt(fewer, superuser)
      })
    )
  }
  return (superuser) => Effect.suspend(() => attempt(met.expected(), superuser))
}

/** `cannot_connect_now`: over soon. */
const isStarting = (error: SqlFailed) => error.sqlstate === "57P03"

export const open = (server: Server, options: SessionOptions): Effect.Effect<SqlSession, SqlFailed, Scope.Scope> => {
  const connect = connectTo(server, options)
  if (options.maintenance !== true) return entering(server.places, purposeOf(options), connect())
  const attempt = Effect.catchIf(connect(), lacksAdmin, () => Effect.andThen(createAdmin(connect), connect()))
  return entering(server.places, purposeOf(options), attempt, isStarting)
}

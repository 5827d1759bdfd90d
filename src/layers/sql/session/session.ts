/**
 * One connection per session: ours go to every database.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import type { ConnectionString } from "../../../domain/postgres/ConnectionString.ts"
import { limits } from "../../../domain/postgres/session/SessionLimits.ts"
import type { ServerVersion } from "../../../domain/postgres/session/SessionOptions.ts"
import { Answer, received } from "../Answer.ts"
import { type ClientConfig, clientConfig } from "../connection.ts"
import type { SqlFailed } from "../errors.ts"
import { connectTimedOut, sqlFailed } from "../failures.ts"
import type { Server } from "../Server.ts"
import { parameterOf } from "../values.ts"
import { type Connection, connect } from "../wire/Connection.ts"
import { broken, type WireFailed } from "../wire/errors.ts"
import * as Frames from "../wire/Frames.ts"
import { openSocket } from "../wire/socket.ts"
import { attended } from "./login.ts"
import { restoring } from "./ourDatabase.ts"
import { entering } from "./patience.ts"
import { purposeOf, type SessionOptions, type SqlSession } from "./SqlSession.ts"

/** For a cancel request to be delivered, for the statement to notice, for the goodbye. */
const FAREWELL = 1000

/** Also where interruption is not heard any more. */
const briefly = <A, E>(wait: Effect.Effect<A, E>): Effect.Effect<void> =>
  wait.pipe(Effect.interruptible, Effect.timeoutOption(FAREWELL), Effect.ignore)

/** A cancel request travels on a connection of its own. */
const cancelInServer = ({ address, key }: Connection, connection: ConnectionString): Effect.Effect<void> => {
  if (key === null) return Effect.void
  return openSocket(address, connection).pipe(
    Effect.flatMap((socket) =>
      Effect.callback<void>((resume) => {
        socket.once("close", () => resume(Effect.void))
        socket.resume()
        socket.end(Frames.cancelRequest(key))
      })
    ),
    Effect.scoped,
    briefly
  )
}

const sessionOf = (opened: Connection, connection: ConnectionString): Effect.Effect<SqlSession> =>
  Effect.map(Semaphore.make(1), (turn) => {
    const { inbox, socket } = opened

    /** Ends as the answer does; what cannot be understood ends the connection. */
    const hear = (answer: Answer): Effect.Effect<void, WireFailed> =>
      Effect.tapError(received(inbox, answer), ({ kind }) =>
        kind === "protocol" ? Effect.sync(() => socket.destroy()) : Effect.void
      )

    const giveUp = (answer: Answer) =>
      cancelInServer(opened, connection).pipe(
        Effect.andThen(briefly(hear(answer))),
        Effect.andThen(Effect.sync(() => answer.isWhole || socket.destroy()))
      )

    const send = (message: Buffer): Effect.Effect<Answer, WireFailed> =>
      Effect.suspend(() => {
        if (!inbox.isOpen) return broken("connection closed")
        const answer = new Answer()
        socket.write(message)
        return Effect.as(hear(answer), answer).pipe(Effect.onInterrupt(() => giveUp(answer)))
      })

    const run = (message: () => Buffer): Effect.Effect<Answer, SqlFailed> =>
      Effect.mapError(turn.withPermits(1)(Effect.suspend(() => send(message()))), sqlFailed)

    return {
      query: <Row extends object>(text: string, values?: Parameters<SqlSession["query"]>[1]) =>
        Effect.map(
          run(() => (values === undefined ? Frames.query(text) : Frames.statement(text, values.map(parameterOf)))),
          // What a statement asks for is known where it is written.
          ({ rows }) => rows as unknown as ReadonlyArray<Row>
        ),
      script: (text) => Effect.asVoid(run(() => Frames.query(text))),
      backend: opened.key?.pid ?? null
    }
  })

const openWith = (
  config: ClientConfig,
  options: SessionOptions,
  { lockedOut, met }: Server
): Effect.Effect<SqlSession, SqlFailed, Scope.Scope> =>
  connect({
    connection: config.connection,
    parameters: [
      ["user", config.user],
      ["database", config.database],
      ["application_name", config.applicationName],
      ["options", config.options],
      // No conversion: names of roles and databases are the same bytes in databases of every encoding.
      ["client_encoding", "SQL_ASCII"]
    ],
    password: Redacted.make(config.password),
    connectTimeout: null,
    longest: Frames.postgresLimits,
    farewell: FAREWELL,
    heard: met.heard,
    attended: attended(config, lockedOut)
  }).pipe(
    Effect.mapError(sqlFailed),
    Effect.timeoutOrElse({
      duration: options.connectTimeout ?? limits[purposeOf(options)].connect,
      orElse: () => Effect.fail(connectTimedOut)
    }),
    Effect.flatMap((opened) => sessionOf(opened, config.connection))
  )

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
const connectTo = (server: Server, options: SessionOptions): Connect => {
  const { commit, connstr, met } = server
  const attempt = (
    version: ServerVersion,
    superuser?: "zenith_admin"
  ): Effect.Effect<SqlSession, SqlFailed, Scope.Scope> => {
    return commit.pipe(
      Effect.flatMap((wanted) =>
        Effect.fromResult(clientConfig(connstr, options, { version, commit: wanted }, superuser))
      ),
      Effect.flatMap((config) => openWith(config, options, server)),
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

/** Beside the session that is asked for, and over soon: it takes no place among ours. */
const inOurs = (server: Server, options: SessionOptions, opening: ReturnType<Connect>): ReturnType<Connect> => {
  const { applicationName, connectTimeout, maintenance = false } = options
  if (!server.isOurs || options.database !== undefined) return opening
  const beside = connectTo(server, {
    applicationName,
    maintenance,
    database: "template1",
    ...(connectTimeout !== undefined && { connectTimeout }),
    ...(!maintenance && { purpose: "probe" })
  })
  const name = Effect.suspend(() =>
    Effect.fromResult(clientConfig(server.connstr, options, { version: server.met.expected(), commit: null }))
  ).pipe(Effect.map(({ database }) => database))
  return restoring({ name, beside: beside(), mayMake: maintenance })(opening)
}

export const open = (server: Server, options: SessionOptions): Effect.Effect<SqlSession, SqlFailed, Scope.Scope> => {
  const connect = connectTo(server, options)
  const attempt =
    options.maintenance === true
      ? Effect.catchIf(connect(), lacksAdmin, () => Effect.andThen(createAdmin(connect), connect()))
      : connect()
  const passes = options.maintenance === true ? isStarting : undefined
  return entering(server.places, purposeOf(options), inOurs(server, options, attempt), passes)
}

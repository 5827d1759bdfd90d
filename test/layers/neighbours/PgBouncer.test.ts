import { readFileSync, writeFileSync } from "node:fs"
import { createServer, type Socket } from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import pg from "pg"
import { decodeVariables, Variables, type VariablesShape } from "../../../src/layers/machine/process/Variables.ts"
import { PgBouncer } from "../../../src/layers/neighbours/PgBouncer.ts"
import { basics, options, spec } from "../../programs/fakes.ts"
import { freePort } from "../../rig/freePort.ts"
import { placed } from "../../rig/places.ts"
import {
  daemon,
  directory,
  ended,
  eventually,
  giveAway,
  installed,
  isAlive,
  machine,
  nobody,
  secret
} from "../companionRig.ts"

const INI = "[databases]\n* = host=localhost\n\n[pgbouncer]\n; kept\npool_mode=transaction\n"
const settings = spec({ pgbouncer_settings: { default_pool_size: "42", pool_mode: "session" } })

const at = (
  path: string,
  port: number,
  more: { readonly password?: VariablesShape["pgbouncerPassword"]; readonly limit?: number } = {},
  tls: Parameters<typeof machine>[0] = null,
  processName = "pgbouncer"
) => {
  const { limit = 300, password = null } = more
  const pod = {
    ini: join(path, "pgbouncer.ini"),
    pidFile: join(path, "pgbouncer.pid"),
    processName,
    ...{ host: "127.0.0.1", port, user: "postgres", limit }
  }
  return PgBouncer.layer.pipe(
    Layer.provide(placed({ pgbouncer: { vm: pod, pod } })),
    Layer.provide(Layer.succeed(Variables, { ...decodeVariables({}), pgbouncerPassword: password })),
    Layer.provide(Layer.mergeAll(basics, machine(tls), options({ isVm: false })))
  )
}

const message = (type: string, body: Buffer) => {
  const head = Buffer.alloc(5)
  head.write(type)
  head.writeInt32BE(body.length + 4, 1)
  return Buffer.concat([head, body])
}
const READY = message("Z", Buffer.from("I"))

const row = (values: ReadonlyArray<string>) => {
  const fields = values.flatMap((value) => {
    const length = Buffer.alloc(4)
    length.writeInt32BE(Buffer.byteLength(value))
    return [length, Buffer.from(value)]
  })
  return message("D", Buffer.concat([Buffer.from([0, values.length]), ...fields]))
}

/** An admin console that asks for a password in the clear and notes what it is told. */
const console_ = (behave: "well" | "badly" | "not at all", config: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function* () {
    const heard: Array<string> = []
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.on("error", () => {})
      socket.on("data", (data) => {
        if (behave === "not at all") return
        if (behave === "badly") return void socket.write("HTTP/1.1 400 Bad Request\r\n\r\n")
        const type = data.toString("latin1", 0, 1)
        const text = data.toString("latin1", 5, data.length - 1)
        if (type === "p" || type === "Q") heard.push(`${type} ${text}`)
        if (type === "\0") socket.write(message("R", Buffer.from([0, 0, 0, 3])))
        if (type === "p") socket.write(Buffer.concat([message("R", Buffer.alloc(4)), READY]))
        if (type !== "Q") return
        const rows = text.startsWith("SHOW") ? Object.entries(config).map(row) : []
        socket.write(Buffer.concat([...rows, message("C", Buffer.from("RELOAD\0")), READY]))
      })
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () =>
        Effect.callback<void>((resume) => {
          for (const socket of sockets) socket.destroy()
          server.close(() => resume(Effect.void))
        })
    )
    const address = server.address()
    return { heard, port: typeof address === "object" && address !== null ? address.port : 0 }
  })

const tune = Effect.flatMap(PgBouncer, (pgbouncer) => pgbouncer.tune(settings))

describe("PgBouncer.tune", () => {
  it.live("writes the settings and asks for a reload, with the password", () =>
    Effect.gen(function* () {
      const path = yield* directory
      writeFileSync(join(path, "pgbouncer.ini"), INI)
      const { heard, port } = yield* console_("well")
      yield* Effect.provide(tune, at(path, port, { password: secret("it's") }))
      assert.deepStrictEqual(heard, ["p it's", "Q RELOAD", "p it's", "Q SHOW CONFIG"])
      assert.strictEqual(
        readFileSync(join(path, "pgbouncer.ini"), "utf8"),
        INI.replace("pool_mode=transaction\n", "pool_mode=session\ndefault_pool_size=42\n")
      )
    })
  )

  it.live("tells of a file that pgbouncer refused although it said that it has reloaded", () =>
    Effect.gen(function* () {
      const path = yield* directory
      writeFileSync(join(path, "pgbouncer.ini"), INI)
      const tuned = (config: Readonly<Record<string, string>>) =>
        Effect.flatMap(console_("well", config), ({ port }) =>
          Effect.exit(Effect.provide(tune, at(path, port, { password: secret("x") })))
        )
      assert.isTrue(Exit.isSuccess(yield* tuned({ default_pool_size: "42", pool_mode: "session" })))
      const refused = yield* tuned({ default_pool_size: "20", pool_mode: "session" })
      assert.match(String(refused), /has not taken over: default_pool_size/)
    })
  )

  for (const behave of ["badly", "not at all"] as const) {
    it.live(`fails in bounded time when the console answers ${behave}, the settings written`, () =>
      Effect.gen(function* () {
        const path = yield* directory
        writeFileSync(join(path, "pgbouncer.ini"), INI)
        const { port } = yield* console_(behave)
        const [took, exit] = yield* tune.pipe(
          Effect.provide(at(path, port, { password: secret("hush") })),
          Effect.exit,
          Effect.timed
        )
        assert.isTrue(Exit.isFailure(exit))
        assert.notInclude(String(exit), "hush")
        assert.isBelow(Duration.toMillis(took), 10_000)
        assert.include(readFileSync(join(path, "pgbouncer.ini"), "utf8"), "pool_mode=session")
      })
    )
  }

  it.live("says which file is missing, and does nothing for a spec without settings", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const port = yield* freePort
      const error = yield* Effect.flip(Effect.provide(tune, at(path, port)))
      assert.strictEqual(error.message, `${join(path, "pgbouncer.ini")}: no such file`)
      const untouched = Effect.flatMap(PgBouncer, (pgbouncer) => pgbouncer.tune(spec()))
      yield* Effect.provide(untouched, at(path, port))
    })
  )

  it.live("waits for the TLS key and names the mounted paths", () =>
    Effect.gen(function* () {
      const path = yield* directory
      writeFileSync(join(path, "pgbouncer.ini"), INI)
      const tls = { key_path: join(path, "tls.key"), cert_path: join(path, "tls.crt") }
      const { heard, port } = yield* console_("well")
      const withTls = spec({ pgbouncer_settings: {}, features: ["tls_experimental"] })
      const tuning = yield* Effect.flatMap(PgBouncer, (pgbouncer) => pgbouncer.tune(withTls)).pipe(
        Effect.provide(at(path, port, { password: secret("x") }, tls)),
        Effect.forkChild
      )
      yield* Effect.sleep("300 millis")
      assert.deepStrictEqual(heard, [])
      writeFileSync(tls.key_path, "key")
      yield* Fiber.join(tuning)
      const text = readFileSync(join(path, "pgbouncer.ini"), "utf8")
      assert.include(
        text,
        `client_tls_cert_file=${tls.cert_path}\nclient_tls_key_file=${tls.key_path}\nclient_tls_sslmode=allow\n`
      )
    })
  )
})

describe("PgBouncer.stop", () => {
  const stop = Effect.flatMap(PgBouncer, (pgbouncer) => pgbouncer.stop)

  it.live("kills the process of the pid file when it is the pooler, and no other", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const bystander = yield* daemon("sleep", ["60"])
      writeFileSync(join(path, "pgbouncer.pid"), `${bystander.pid}\n`)
      yield* Effect.provide(stop, at(path, 1))
      yield* Effect.sleep("100 millis")
      assert.isTrue(isAlive(bystander))
      yield* Effect.provide(stop, at(path, 1, {}, null, "sleep"))
      assert.strictEqual(yield* ended(bystander), "SIGKILL")
    })
  )

  it.live("takes a missing, empty or senseless pid file for no pooler", () =>
    Effect.gen(function* () {
      const path = yield* directory
      for (const text of [undefined, "", "0", "-1", "12 34", "99999999999999999999"]) {
        if (text !== undefined) writeFileSync(join(path, "pgbouncer.pid"), text)
        yield* Effect.provide(stop, at(path, 1))
      }
    })
  )
})

const program = installed("/usr/sbin/pgbouncer", "/usr/bin/pgbouncer")
if (program === undefined) console.warn("skipped: pgbouncer is not installed")

describe.skipIf(program === undefined)("a real pgbouncer", () => {
  it.live("runs with what it was told, keeps the rest, and is gone after stop", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const port = yield* freePort
      const ini = join(path, "pgbouncer.ini")
      writeFileSync(join(path, "users"), '"postgres" "secret"\n')
      writeFileSync(
        ini,
        `[databases]\n* = host=localhost port=5432\n\n[pgbouncer]\nlisten_addr=127.0.0.1\nlisten_port=${port}\nunix_socket_dir=\nauth_type=plain\nauth_file=${path}/users\nadmin_users=postgres\npool_mode=transaction\nmax_client_conn=123\nlogfile=${path}/log\npidfile=${path}/pgbouncer.pid\n`
      )
      giveAway(path)
      giveAway(ini)
      const pgbouncer = yield* daemon(program ?? "", [ini], nobody === null ? {} : nobody)
      const layer = at(path, port, { password: secret("secret"), limit: 2_000 })
      yield* Effect.provide(tune, layer)

      const client = yield* Effect.acquireRelease(
        Effect.promise(async () => {
          const made = new pg.Client({
            host: "127.0.0.1",
            port,
            user: "postgres",
            database: "pgbouncer",
            password: "secret"
          })
          made.on("error", () => {})
          await made.connect()
          return made
        }),
        (made) => Effect.promise(() => made.end().catch(() => {}))
      )
      const { rows } = yield* Effect.promise(() => client.query<{ key: string; value: string }>("SHOW CONFIG"))
      const shown = (key: string) => rows.find((row) => row.key === key)?.value
      assert.deepStrictEqual(["default_pool_size", "pool_mode", "max_client_conn"].map(shown), ["42", "session", "123"])

      yield* eventually(() => readFileSync(join(path, "pgbouncer.pid"), "utf8").trim() === String(pgbouncer.pid))
      yield* Effect.provide(
        Effect.flatMap(PgBouncer, (service) => service.stop),
        layer
      )
      assert.strictEqual(yield* ended(pgbouncer), "SIGKILL")
    })
  )
})

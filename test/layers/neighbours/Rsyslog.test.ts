import { copyFileSync, mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs"
import { createServer, type Socket } from "node:net"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { decodeVariables, Variables } from "../../../src/layers/machine/process/Variables.ts"
import { Rsyslog } from "../../../src/layers/neighbours/Rsyslog.ts"
import { Metrics } from "../../../src/layers/observe/Metrics.ts"
import { basics, counter, options, spec } from "../../programs/fakes.ts"
import { placed } from "../../rig/places.ts"
import { LIMIT, eventually as untilIs } from "../../rig/waits.ts"
import { daemon, directory, eventually, installed, isAlive, logged, script } from "../companionRig.ts"

const at = (path: string, processName: string, env: Record<string, string> = {}) =>
  Rsyslog.layer.pipe(
    Layer.provide(
      placed({
        rsyslog: {
          auditConf: join(path, "compute_audit_rsyslog.conf"),
          exportConf: join(path, "postgres_logs.conf"),
          pidFile: join(path, "rsyslogd.pid"),
          processName
        }
      })
    ),
    Layer.provide(Layer.merge(options({ pgdata: path }), Layer.succeed(Variables, decodeVariables(env)))),
    Layer.provideMerge(basics)
  )

const audited = (level = "Hipaa", more: Record<string, unknown> = {}) =>
  spec({ audit_log_level: level, project_id: 'odd "$x\\ name', ...more })

let serial = 0

/**
 * An init that starts its program again whenever it ends. The name is one of its own, so that no other test's, nor the
 * machine's own, daemon is ever mistaken for it.
 */
const respawned = (path: string, program: string, args: string) =>
  Effect.gen(function* () {
    serial += 1
    const name = `rsl${process.pid}x${serial}`.slice(0, 15)
    copyFileSync(program, join(path, name))
    const init = script(
      join(path, "init"),
      `trap 'kill $child; exit' TERM
while :; do ${join(path, name)} ${args} & child=$!; echo $child > ${path}/rsyslogd.pid; echo up >> ${path}/starts; wait $child; done`
    )
    yield* Effect.addFinalizer(() => Effect.sync(() => killAll(name)))
    const started = yield* daemon("/bin/sh", [init])
    yield* eventually(() => readdirSync(path).includes("starts"))
    return { name, init: started, starts: () => readFileSync(join(path, "starts"), "utf8").split("\n").length - 1 }
  })

const killAll = (name: string) => {
  for (const pid of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    try {
      if (readFileSync(`/proc/${pid}/comm`, "utf8").trim() === name) process.kill(Number(pid), "SIGKILL")
    } catch {
      // Gone meanwhile.
    }
  }
}

const sleep = installed("/bin/sleep", "/usr/bin/sleep") ?? "sleep"

describe("Rsyslog.audit", () => {
  it.live("writes both snippets, restarts once, and waits for the new process", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const { name, starts } = yield* respawned(path, sleep, "600")
      const parsed = audited("Full", { logs_export_host: "logs.example:515" })
      yield* Effect.flatMap(Rsyslog, (rsyslog) =>
        Effect.andThen(rsyslog.audit(parsed), rsyslog.exportLogs(parsed))
      ).pipe(Effect.provide(at(path, name, { AUDIT_LOGGING_ENDPOINT: "audit.example:514" })))
      yield* eventually(() => starts() === 2)
      const text = readFileSync(join(path, "compute_audit_rsyslog.conf"), "utf8")
      for (const part of [`File="${path}/log/*.log"`, 'endpoint_id = "ep-1"', 'target="audit.example" port="514"']) {
        assert.include(text, part)
      }
      assert.include(readFileSync(join(path, "postgres_logs.conf"), "utf8"), 'target="logs.example"')
    })
  )

  it.live("fails with the text clients know when there is no address, and does nothing at lower levels", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const rsyslog = yield* Effect.provide(Rsyslog, at(path, "nobody"))
      const error = yield* Effect.flip(rsyslog.audit(audited()))
      assert.strictEqual(error.message, "AUDIT_LOGGING_ENDPOINT and AUDIT_LOGGING_TLS_ENDPOINT are both empty")
      for (const level of ["Disabled", "Log", "Base"]) yield* rsyslog.audit(audited(level))
      assert.deepStrictEqual(readdirSync(path), [])
    })
  )

  it.live("fails in bounded time when rsyslogd does not come back", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const error = yield* Effect.flatMap(Rsyslog, (rsyslog) => rsyslog.audit(audited())).pipe(
        Effect.provide(at(path, "nobody-at-all", { AUDIT_LOGGING_TLS_ENDPOINT: "audit.example:6514" })),
        Effect.flip,
        Effect.timeout("1 minute")
      )
      assert.strictEqual(error._tag, "RsyslogFailed")
      assert.include(error.message, "rsyslogd was not running again")
    })
  )
})

describe("Rsyslog.exportLogs", () => {
  it.live(
    "restarts only for a change, empties what the spec gave up, and tolerates a daemon that stays away",
    () =>
      Effect.gen(function* () {
        const path = yield* directory
        const { name, init, starts } = yield* respawned(path, sleep, "600")
        const lines: Array<string> = []
        const toHost = (host: string | null) =>
          Effect.flatMap(Rsyslog, (rsyslog) => rsyslog.exportLogs(spec({ logs_export_host: host }))).pipe(
            Effect.provide(Layer.merge(at(path, name), logged(lines)))
          )
        yield* toHost(null)
        assert.isFalse(readdirSync(path).includes("postgres_logs.conf"))
        yield* toHost("logs.example:514")
        yield* toHost("logs.example:514")
        yield* eventually(() => starts() === 2)
        yield* toHost(null)
        yield* eventually(() => starts() === 3)
        assert.strictEqual(readFileSync(join(path, "postgres_logs.conf"), "utf8"), "")
        const error = yield* Effect.flip(toHost("invalid"))
        assert.strictEqual(error.message, "Invalid host format for Postgres logs export")

        init.kill("SIGKILL")
        yield* eventually(() => !isAlive(init))
        yield* toHost("logs.example:516")
        assert.match(lines.join("\n"), /Postgres' log is not exported: rsyslogd was not running again/)
      }),
    LIMIT
  )
})

describe("Rsyslog.auditGarbage", () => {
  it.live("removes audit files that nobody writes any more, and measures what is left", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const log = join(path, "log")
      mkdirSync(log)
      const put = (name: string, minutes: number) => {
        writeFileSync(join(log, name), "0123456789")
        const then = Date.now() / 1000 - minutes * 60
        utimesSync(join(log, name), then, then)
      }
      put("audit-old.log", 16)
      put("audit-young.log", 14)
      put("postgresql.log", 60)
      put("audit-old.txt", 60)
      mkdirSync(join(log, "audit-directory.log"))
      yield* Effect.gen(function* () {
        const size = counter("compute_audit_log_dir_size")
        assert.strictEqual(yield* size, "compute_audit_log_dir_size 0")
        const collecting = yield* Effect.forkChild(Effect.flatMap(Rsyslog, (rsyslog) => rsyslog.auditGarbage))
        yield* eventually(() => !readdirSync(log).includes("audit-old.log"))
        assert.strictEqual(yield* size, "compute_audit_log_dir_size 20")
        yield* Fiber.interrupt(collecting)
      }).pipe(Effect.provide(at(path, "nobody")))
      assert.deepStrictEqual(readdirSync(log).sort(), [
        "audit-directory.log",
        "audit-old.txt",
        "audit-young.log",
        "postgresql.log"
      ])
    })
  )

  it.live("has no opinion on a directory that is not there", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const collecting = Effect.flatMap(Rsyslog, (rsyslog) => rsyslog.auditGarbage)
      const fiber = yield* Effect.forkChild(Effect.andThen(Effect.void, collecting))
      const size = counter("compute_audit_log_dir_size")
      yield* untilIs("the size", size, (line) => line === "compute_audit_log_dir_size 0")
      assert.strictEqual(fiber.pollUnsafe(), undefined)
      yield* Effect.flatMap(Metrics, (metrics) => metrics.render)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual(readdirSync(path), [])
    }).pipe(Effect.provide(at("/nowhere", "nobody")))
  )
})

const rsyslogd = installed("/usr/sbin/rsyslogd", "/sbin/rsyslogd")
if (rsyslogd === undefined) console.warn("skipped: rsyslogd is not installed, nothing is really shipped")

describe.skipIf(rsyslogd === undefined)("a real rsyslogd", () => {
  it.live(
    "ships audit records of several lines, ids in the body",
    () =>
      Effect.gen(function* () {
        const path = yield* directory
        const received: Array<string> = []
        const sockets = new Set<Socket>()
        const collector = createServer((socket) => {
          sockets.add(socket)
          socket.on("data", (data) => received.push(data.toString()))
          socket.on("error", () => {})
        })
        yield* Effect.acquireRelease(
          Effect.callback<void>((resume) => void collector.listen(0, "127.0.0.1", () => resume(Effect.void))),
          () =>
            Effect.sync(() => {
              for (const socket of sockets) socket.destroy()
              collector.close()
            })
        )
        const address = collector.address()
        const port = typeof address === "object" ? (address?.port ?? 0) : 0
        const env = { AUDIT_LOGGING_ENDPOINT: `127.0.0.1:${port}` }
        mkdirSync(join(path, "log"))
        mkdirSync(join(path, "spool"))
        // The machine's working directory may not be writable here, so the snippet is read with another one.
        const main = join(path, "main.conf")
        writeFileSync(main, `include(file="${path}/test.conf" mode="optional")\n*.* /dev/null\n`)
        const { name } = yield* respawned(path, rsyslogd ?? "", `-n -i ${path}/rsyslogd.own -f ${main}`)
        const record = "2026-01-02 03:04:05.678 GMT,one\n  and two\n"
        const service = yield* Effect.provide(Rsyslog, at(path, name, env))
        writeFileSync(join(path, "compute_audit_rsyslog.conf"), "")
        yield* Effect.forkChild(
          eventually(() => {
            const text = readFileSync(join(path, "compute_audit_rsyslog.conf"), "utf8")
            writeFileSync(join(path, "test.conf"), text.replaceAll("/var/log/rsyslog", join(path, "spool")))
            return text !== ""
          })
        )
        yield* service.audit(audited())
        yield* Effect.sleep("300 millis")
        yield* service.audit(audited())
        writeFileSync(join(path, "log", "audit.log"), `${record}2026-01-02 03:04:06.000 GMT,next\n`)
        yield* eventually(() => received.join("").includes("and two"))
        const line = received.join("").split("\n")[0] ?? ""
        assert.match(line, /^<\d+>1 \d{4}-/)
        const body: unknown = JSON.parse(line.slice(line.indexOf("{")))
        assert.deepStrictEqual(body, {
          endpoint_id: "ep-1",
          project_id: 'odd "$x\\ name',
          msg: "2026-01-02 03:04:05.678 GMT,one\\n  and two"
        })
      }),
    LIMIT
  )
})

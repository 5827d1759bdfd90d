/**
 * What runs beside Postgres fails in every way while users work: they must not notice.
 */
import { execFile } from "node:child_process"
import { once } from "node:events"
import * as fs from "node:fs"
import { connect, createServer } from "node:net"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { WebSocket } from "ws"
import { traceCollector } from "../layers/traceCollector.ts"
import { type Compute, runProgram, startCompute } from "../rig/compute.ts"
import { startEmulator, startFakeEmulator } from "../rig/emulator.ts"
import { freePorts } from "../rig/freePort.ts"
import { account, tempDir } from "../rig/postgres.ts"
import { setting } from "../rig/spec.ts"
import { adminToken } from "../rig/tokens.ts"
import { eventually, LIMIT, until } from "../rig/waits.ts"

/** Beside the server, else the system's. */
const benchTool = (pgbin: string) =>
  [path.join(path.dirname(pgbin), "pgbench"), "/usr/bin/pgbench"].find((file) => fs.existsSync(file))

/** Seconds of a benchmark. */
const DURATION = 20

/** The longest time that one of its transactions took, seconds; an error for one that failed. */
const bench = (tool: string, compute: Compute, dir: string) =>
  Effect.gen(function* () {
    const place = ["-h", "127.0.0.1", "-p", String(compute.ports.postgres), "-U", "cloud_admin", "postgres"]
    const run = (args: ReadonlyArray<string>) =>
      Effect.callback<string, Error>((resume) => {
        execFile(tool, [...args, ...place], { cwd: dir, timeout: 90_000 }, (error, stdout, stderr) =>
          resume(error === null ? Effect.succeed(stdout + stderr) : Effect.fail(new Error(stderr)))
        )
      })
    yield* run(["-i", "-q", "-s", "1"])
    return yield* Effect.forkChild(
      Effect.gen(function* () {
        const text = yield* run(["-c", "3", "-T", String(DURATION), "-l", "--log-prefix=bench"])
        assert.match(text, /failed transactions: 0 /)
        assert.notInclude(text, "aborted")
        const lines = fs
          .readdirSync(dir)
          .filter((name) => name.startsWith("bench"))
          .flatMap((name) => fs.readFileSync(path.join(dir, name), "utf8").trim().split("\n"))
        return Math.max(...lines.map((line) => Number(line.split(" ")[2]) / 1_000_000))
      })
    )
  })

/** Without them the monitor drops its agent after the greeting. */
const hasCgroups = fs.existsSync("/sys/fs/cgroup/cgroup.controllers")

/** A frame or several to the autoscaling door; what came back until it was closed or 300 ms passed. */
const talk = (port: number, frames: ReadonlyArray<string | Buffer>) =>
  Effect.promise(async () => {
    const socket = new WebSocket(`ws://127.0.0.1:${port}/monitor`)
    const received: Array<string> = []
    socket.on("message", (data) => received.push(String(data)))
    socket.on("error", () => {})
    const closed = once(socket, "close")
    await once(socket, "open")
    for (const frame of frames) socket.send(frame)
    await Promise.race([closed, new Promise((resolve) => setTimeout(resolve, 300))])
    const dropped = socket.readyState !== WebSocket.OPEN
    socket.terminate()
    return { received, dropped }
  })

const garbage = (port: number, bytes: Buffer) =>
  Effect.promise(
    () =>
      new Promise<void>((resolve) => {
        const socket = connect(port, "127.0.0.1", () => socket.end(bytes))
        socket.on("error", () => resolve())
        socket.on("close", () => resolve())
        socket.resume()
        setTimeout(() => socket.destroy(), 500)
      })
  )

const statusScreen = (compute: Compute) =>
  Effect.gen(function* () {
    const shown = yield* runProgram(["status", "--url", `http://127.0.0.1:${compute.ports.external}`], {
      env: { COMPUTE_CTL_TOKEN: adminToken() }
    })
    yield* shown.ended
    return shown.stdout()
  })

const metric = (compute: Compute, start: string) =>
  Effect.map(compute.http({ path: "/metrics", token: null }), ({ body }) => {
    const line = body.split("\n").find((candidate) => candidate.startsWith(start))
    return line === undefined ? null : Number(line.split(" ").at(-1))
  })

const postmasterOf = (compute: Compute) =>
  Number(fs.readFileSync(path.join(compute.pgdata, "postmaster.pid"), "utf8").split("\n")[0])

describe("companions", () => {
  it.live(
    "that are killed, hang or talk garbage are not noticed by a benchmark, and seen in the status",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const tool = benchTool(emulator.addresses.pgbin)
        if (tool === undefined) return console.warn("skipped: there is no pgbench")
        const dir = yield* tempDir("companions-")
        const groups = path.join(dir, "groups")
        fs.writeFileSync(
          path.join(dir, "cgexec"),
          `#!/bin/sh\necho "$*" >> ${groups}\n[ "$1" = -g ] || exit 1\nshift 2\nexec "$@"\n`,
          { mode: 0o755 }
        )
        fs.writeFileSync(groups, "")
        if (account !== null) fs.chownSync(groups, account.uid, account.gid)
        const [monitorPort = 0, external = 0, internal = 0, postgres = 0] = yield* freePorts(4)
        const squatter = createServer().listen(monitorPort, "127.0.0.1")
        yield* Effect.addFinalizer(() => Effect.sync(() => squatter.close()))
        const collector = yield* traceCollector(() => "hang")
        const compute = yield* startCompute({
          emulator,
          source: "control-plane",
          ports: { external, internal, postgres },
          settings: [setting("neon.file_cache_size_limit", "64MB"), setting("neon.max_file_cache_size", "128MB")],
          spec: {
            skip_pg_catalog_updates: true,
            endpoint_id: "ep-1",
            endpoint_storage_addr: emulator.addresses.endpoint_storage,
            endpoint_storage_token: "t",
            offload_lfc_interval_seconds: 1,
            local_proxy_config: { jwks: [] }
          },
          args: [
            ...["--vm-monitor-addr", `127.0.0.1:${monitorPort}`],
            ...["--filecache-connstr", `host=127.0.0.1 port=${postgres} dbname=postgres user=cloud_admin`]
          ],
          env: {
            AUTOSCALING: "1",
            PATH: `${dir}:${process.env["PATH"]}`,
            NEON_CONTROL_PLANE_TOKEN: "cplane-secret",
            OTEL_SDK_DISABLED: "false",
            OTEL_EXPORTER_OTLP_ENDPOINT: collector.url
          }
        })
        yield* compute.waitFor("running")
        assert.include(fs.readFileSync(groups, "utf8"), `-g memory:neon-postgres ${emulator.addresses.pgbin} -D`)
        const environment = fs.readFileSync(`/proc/${postmasterOf(compute)}/environ`, "utf8")
        // The neon extension forwards DDL under this token; it is no other program's.
        assert.include(environment.split("\0"), "NEON_CONTROL_PLANE_TOKEN=cplane-secret")
        const running = yield* bench(tool, compute, dir)

        // Its port is taken: it fails, says so, comes back when it can.
        yield* eventually(
          "vm-monitor fails",
          metric(compute, 'compute_ctl_service_restarts_total{service="vm-monitor"}'),
          (count) => (count ?? 0) >= 2
        )
        assert.match(yield* statusScreen(compute), /vm-monitor +(backing off|running) +\d+ restarts +.*EADDRINUSE/)
        squatter.close()
        yield* eventually(
          "vm-monitor listens",
          Effect.promise(() =>
            fetch(`http://127.0.0.1:${monitorPort}/`).then(
              () => true,
              () => false
            )
          ),
          Boolean
        )

        for (const bytes of [
          Buffer.alloc(70_000, 0xff),
          Buffer.from("GET /monitor HTTP/1.1\r\nUpgrade: nonsense\r\n\r\n")
        ]) {
          yield* garbage(monitorPort, bytes)
        }
        const none = (range: string) => ({
          error: `Received protocol version range ${range} which does not overlap with v1.0`
        })
        const two = yield* talk(monitorPort, ['{"min":2,"max":2}'])
        assert.deepStrictEqual([JSON.parse(two.received[0] ?? "null"), two.dropped], [none("<unknown: 2>"), true])
        const backwards = yield* talk(monitorPort, ['{"min":3,"max":1}'])
        assert.isTrue(backwards.dropped)
        for (const frame of [Buffer.from([0, 1, 2]), "{", "null", '{"min":-1,"max":300}', "x".repeat(1_000_000)]) {
          yield* talk(monitorPort, [frame])
        }
        const agent = yield* talk(monitorPort, ['{"min":1,"max":1}', '{"type":"HealthCheck","content":{},"id":2}'])
        assert.deepStrictEqual(
          agent.received.map((text) => JSON.parse(text)).filter(({ type }) => type !== "UpscaleRequest"),
          hasCgroups ? [{ version: 1 }, { type: "HealthCheck", id: 2 }] : [{ version: 1 }]
        )

        // Endpoint storage says nothing any more, nor does the control plane.
        emulator.world.asked.length = 0
        emulator.world.faults = [
          { peer: "storage", action: { do: "silence" } },
          { peer: "control", action: { do: "silence" } }
        ]
        yield* compute.http({ method: "POST", path: "/lfc/prewarm?from_endpoint=ep-0" })
        const asked = yield* compute.http({
          method: "POST",
          path: "/refresh_configuration",
          server: "internal",
          token: null
        })
        assert.strictEqual(asked.status, 200)
        yield* compute.waitFor("refresh_configuration")
        for (const silent of ["storage", "control"]) {
          yield* until(`${silent} to be asked`, () => emulator.world.asked.some(({ peer }) => peer === silent))
        }
        // Both are waited for longer than that.
        for (const where of ["/livez", "/startupz", "/readyz", "/metrics"]) {
          assert.strictEqual((yield* compute.http({ path: where, token: null, limit: 20_000 })).status, 200, where)
        }
        yield* compute.http({ method: "DELETE", path: "/lfc/prewarm" })
        emulator.world.faults = []

        const slowest = yield* Fiber.join(running)
        // Whoever was waited for was so to the end, or for half a minute.
        assert.isBelow(slowest, DURATION / 2)
        yield* compute.waitFor("running")
        assert.notMatch(compute.log(), /PG:.*(FATAL|PANIC)/)

        // A cut client of the monitor, and then the end: nobody is left.
        compute.signal("SIGTERM")
        assert.strictEqual((yield* compute.ended).code, 1)
        assert.deepStrictEqual(yield* compute.processes, [])
      }),
    LIMIT
  )
})

describe("a control plane that says nothing", () => {
  it.live(
    "does not keep a process that is told to stop",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        emulator.world.faults = [{ peer: "control", action: { do: "silence" } }]
        const compute = yield* startCompute({ emulator, source: "control-plane" })
        yield* until("a request for the spec", () => emulator.world.asked.some(({ peer }) => peer === "control"))
        compute.signal("SIGTERM")
        assert.strictEqual((yield* compute.ended).code, 1)
        assert.notInclude(compute.log(), "to get config failed", "the request was waited for")
      }),
    LIMIT
  )
})

/** The postmaster and what it started. */
const family = (pid: number): ReadonlyArray<number> => [
  pid,
  ...fs.readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ").filter(Boolean).map(Number)
]

const signalAll = (pids: ReadonlyArray<number>, signal: NodeJS.Signals) => {
  for (const pid of pids) {
    try {
      process.kill(pid, signal)
    } catch {
      // It went by itself.
    }
  }
}

const probe = (compute: Compute, where: string) =>
  Effect.map(compute.http({ path: where, token: null, limit: 20_000 }), ({ body, status }) => ({ status, body }))

const verdicts = (compute: Compute) =>
  Effect.map(
    Effect.forEach(["/livez", "/startupz", "/readyz", "/poolz"], (where) => probe(compute, where)),
    (all) => all.map(({ status }) => status)
  )

describe("probes", () => {
  it.live(
    "tell an empty compute, one that starts and one that failed apart",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        const empty = yield* startCompute({ emulator, spec: null })
        yield* empty.waitFor("empty")
        assert.deepStrictEqual(yield* verdicts(empty), [200, 200, 503, 200])
        emulator.world.faults = [{ peer: "pageserver", action: { do: "silence" } }]
        const starting = yield* startCompute({ emulator, spec: { skip_pg_catalog_updates: true } })
        yield* starting.waitFor("init")
        assert.deepStrictEqual(yield* verdicts(starting), [200, 503, 503, 503])
        assert.strictEqual((yield* probe(starting, "/livez")).body, "ok\n")
        emulator.world.faults = [{ peer: "pageserver", action: { do: "denied" } }]
        const failed = yield* startCompute({ emulator, spec: { skip_pg_catalog_updates: true } })
        yield* failed.waitFor("failed")
        assert.deepStrictEqual(yield* verdicts(failed), [200, 503, 503, 503])
        assert.notInclude((yield* probe(failed, "/readyz")).body, emulator.addresses.tenant_id)
      }),
    LIMIT
  )

  it.live(
    "tell a Postgres that hangs; the monitor counts it as down, and as up when it goes on",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const compute = yield* startCompute({ emulator, spec: { skip_pg_catalog_updates: true } })
        yield* compute.waitFor("running")
        assert.deepStrictEqual(yield* verdicts(compute), [200, 200, 200, 200])
        const pids = family(postmasterOf(compute))
        yield* Effect.addFinalizer(() => Effect.sync(() => signalAll(pids, "SIGCONT")))
        signalAll(pids, "SIGSTOP")
        // What is known already counts for a second.
        yield* eventually("no readiness", probe(compute, "/readyz"), ({ status }) => status === 503)
        assert.deepStrictEqual(yield* verdicts(compute), [200, 200, 503, 503])
        assert.strictEqual((yield* compute.status)?.["status"], "running")
        const down = metric(compute, "compute_pg_current_downtime_ms")
        yield* eventually("downtime", down, (ms) => (ms ?? 0) > 4000)
        signalAll(pids, "SIGCONT")
        yield* eventually("no downtime", down, (ms) => ms === 0)
        yield* eventually("readiness", probe(compute, "/readyz"), ({ status }) => status === 200)
        assert.isAbove((yield* metric(compute, "compute_pg_downtime_ms_total")) ?? 0, 4000)
      }),
    LIMIT
  )

  it.live(
    "of a standby say how far it is behind",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const local = [setting("synchronous_commit", "local"), setting("wal_keep_size", "64MB")]
        const primary = yield* startCompute({
          emulator,
          settings: local,
          spec: { skip_pg_catalog_updates: true }
        })
        yield* primary.waitFor("running")
        const upstream = `host=127.0.0.1 port=${primary.ports.postgres} user=cloud_admin application_name=standby`
        const standby = yield* startCompute({
          emulator,
          settings: [...local, setting("primary_conninfo", upstream)],
          spec: { mode: "Replica" }
        })
        yield* standby.waitFor("running")
        const ready = Effect.map(probe(standby, "/readyz"), ({ body, status }) => {
          assert.strictEqual(status, 200, body)
          return JSON.parse(body).standby
        })
        yield* primary.sql("create table t as select generate_series(1, 1000)")
        yield* eventually("replay", ready, (lag) => lag.received_lsn !== null && lag.behind_bytes === 0)
        yield* standby.sql("select pg_wal_replay_pause()")
        yield* primary.sql("insert into t select generate_series(1, 100000)")
        yield* eventually("lag", ready, (lag) => lag.behind_bytes > 1_000_000)
        const primaryBody = JSON.parse((yield* probe(primary, "/readyz")).body)
        assert.deepStrictEqual(primaryBody, { ready: true, standby: null })
      }),
    LIMIT
  )
})

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { get } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { WebSocket } from "ws"
import type { ParsedSpec } from "../../../../src/domain/spec/ParsedSpec.ts"
import { type ComputeOptions, Options } from "../../../../src/layers/compute/Options.ts"
import { ServiceTrouble } from "../../../../src/layers/compute/Supervisor.ts"
import { serveVmMonitor } from "../../../../src/layers/machine/vmmonitor/vmMonitor.ts"
import { Metrics } from "../../../../src/layers/observe/Metrics.ts"
import { Sql } from "../../../../src/layers/sql/Sql.ts"
import { freePort } from "../../../rig/freePort.ts"
import { placed } from "../../../rig/places.ts"
import { throwAwayPostgres, versions } from "../../throwAwayPostgres.ts"

const MIB = 1024 * 1024

const machine = Effect.acquireRelease(
  Effect.sync(() => {
    const root = mkdtempSync(join(tmpdir(), "cgroup-"))
    writeFileSync(join(root, "cgroup.controllers"), "memory\n")
    mkdirSync(join(root, "neon-postgres"))
    const use = (bytes: number) =>
      writeFileSync(join(root, "neon-postgres", "memory.stat"), `active_anon ${bytes}\ninactive_anon 0\n`)
    use(10 * MIB)
    return { root, use }
  }),
  ({ root }) => Effect.sync(() => rmSync(root, { recursive: true, force: true }))
)

const serving = (root: string, memory: number, more: Partial<ComputeOptions> = {}, disableResizing = true) =>
  Effect.gen(function* () {
    const port = yield* freePort
    const layer = placed({ cgroups: root, memory: () => memory }).pipe(
      Layer.merge(Metrics.layer),
      Layer.provideMerge(Sql.layerTo("postgresql://cloud_admin@127.0.0.1:1/postgres")),
      Layer.provideMerge(
        Layer.succeed(Options, {
          cgroup: "neon-postgres",
          filecacheConnstr: "",
          vmMonitorAddr: `127.0.0.1:${port}`,
          ...more
        } as ComputeOptions)
      )
    )
    const spec = { spec: { disable_lfc_resizing: disableResizing } } as ParsedSpec
    const fiber = yield* Effect.forkScoped(Effect.provide(serveVmMonitor(spec), layer))
    yield* Effect.sleep("300 millis")
    return { port, fiber }
  })

/** The agent's side, message by message. */
const agent = (port: number, path = "/monitor") =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<{
          readonly send: (value: unknown) => void
          readonly raw: WebSocket
          readonly next: (
            wanted?: (message: Record<string, unknown>) => boolean
          ) => Promise<Record<string, unknown> | null>
        }>((resolve, reject) => {
          const raw = new WebSocket(`ws://127.0.0.1:${port}${path}`)
          const inbox: Array<Record<string, unknown> | null> = []
          const waiting: Array<() => void> = []
          const arrived = (message: Record<string, unknown> | null) => {
            inbox.push(message)
            waiting.shift()?.()
          }
          raw.on("message", (data) => arrived(JSON.parse(String(data))))
          raw.on("close", () => arrived(null))
          raw.on("error", reject)
          const next = async (wanted: (message: Record<string, unknown>) => boolean = () => true) => {
            for (;;) {
              const message = inbox.shift()
              if (message === null || (message !== undefined && wanted(message))) return message
              if (message === undefined) await new Promise<void>((wake) => waiting.push(wake))
            }
          }
          raw.on("open", () =>
            resolve({ raw, next, send: (value) => raw.send(typeof value === "string" ? value : JSON.stringify(value)) })
          )
        })
    ),
    ({ raw }) => Effect.sync(() => raw.terminate())
  )

const greeted = (port: number) =>
  Effect.gen(function* () {
    const peer = yield* agent(port)
    peer.send({ min: 1, max: 1 })
    assert.deepStrictEqual(yield* Effect.promise(() => peer.next()), { version: 1 })
    return peer
  })

const resources = (mem: number) => ({ cpu: 0.5, mem })
const notUpscaleRequest = (message: Record<string, unknown>) => message["type"] !== "UpscaleRequest"

describe("VmMonitor", () => {
  it.live("speaks the agent's protocol", () =>
    Effect.gen(function* () {
      const { root, use } = yield* machine
      const { port } = yield* serving(root, 1024 * MIB)
      yield* Effect.sleep("400 millis")
      const peer = yield* greeted(port)
      const ask = (value: unknown) =>
        Effect.promise(() => {
          peer.send(value)
          return peer.next(notUpscaleRequest)
        })

      assert.deepStrictEqual(yield* ask({ type: "HealthCheck", content: {}, id: 2 }), { type: "HealthCheck", id: 2 })
      assert.deepStrictEqual(
        yield* ask({ type: "UpscaleNotification", content: { granted: resources(4096 * MIB) }, id: 4 }),
        { type: "UpscaleConfirmation", id: 4 }
      )
      const granted = yield* ask({ type: "DownscaleRequest", content: { target: resources(512 * MIB) }, id: 6 })
      assert.deepStrictEqual([granted?.["type"], granted?.["Ok"], granted?.["id"]], ["DownscaleResult", true, 6])
      assert.match(String(granted?.["Status"]), /^set cgroup memory threshold from 3396\.6 MiB to 350\.2 MiB/)

      const denied = yield* ask({ type: "DownscaleRequest", content: { target: resources(200 * MIB) }, id: 8 })
      assert.strictEqual(denied?.["Ok"], false)

      peer.raw.send(Buffer.from([1, 2, 3]), { binary: true })
      peer.send({ type: "InvalidMessage", content: { error: "what?" }, id: 10 })
      assert.deepStrictEqual(yield* ask({ type: "HealthCheck", content: {}, id: 12 }), { type: "HealthCheck", id: 12 })

      use(400 * MIB)
      const wanted = yield* Effect.promise(() => peer.next())
      const begin = performance.now()
      const again = yield* Effect.promise(() => peer.next())
      assert.deepStrictEqual(
        [wanted, again],
        [
          { type: "UpscaleRequest", id: 3 },
          { type: "UpscaleRequest", id: 5 }
        ]
      )
      assert.isAtLeast(performance.now() - begin, 800)
    })
  )

  it.live("survives garbage, and an agent of another version", () =>
    Effect.gen(function* () {
      const { root } = yield* machine
      const { port, fiber } = yield* serving(root, 1024 * MIB)
      for (const range of [
        { min: 2, max: 2 },
        { min: 3, max: 1 }
      ]) {
        const peer = yield* agent(port)
        peer.send(range)
        const answer = yield* Effect.promise(() => peer.next())
        assert.match(String(answer?.["error"]), /does not overlap with v1\.0$/)
        assert.isNull(yield* Effect.promise(() => peer.next()))
      }
      for (const garbage of ["", "{", '{"min":1}', '{"min":256,"max":300}', "x".repeat(100_000)]) {
        const peer = yield* agent(port)
        peer.send(garbage)
        assert.isNull(yield* Effect.promise(() => peer.next()), garbage.slice(0, 20))
      }
      const peer = yield* greeted(port)
      peer.send('{"type":"HealthCheck","id":1}')
      assert.isNull(yield* Effect.promise(() => peer.next()))
      const other = yield* Effect.promise(
        () =>
          new Promise<number>((resolve) => {
            get(`http://127.0.0.1:${port}/other`, (response) => resolve(response.statusCode ?? 0))
          })
      )
      assert.strictEqual(other, 404)
      assert.strictEqual(fiber.pollUnsafe(), undefined)
      yield* greeted(port)
    })
  )

  it.live("serves one agent: the newest, with the samples taken before it came", () =>
    Effect.gen(function* () {
      const { root } = yield* machine
      const { port } = yield* serving(root, 1024 * MIB)
      const first = yield* greeted(port)
      yield* Effect.sleep("300 millis")
      const second = yield* greeted(port)
      assert.isNull(yield* Effect.promise(() => first.next()))
      second.send({ type: "DownscaleRequest", content: { target: resources(512 * MIB) }, id: 2 })
      assert.strictEqual((yield* Effect.promise(() => second.next()))?.["Ok"], true)
    })
  )

  it.live("tells the status what drops every agent", () =>
    Effect.gen(function* () {
      const { root } = yield* machine
      const told: Array<string | null> = []
      const connstr = "postgresql://cloud_admin@127.0.0.1:1/postgres"
      const { port } = yield* Effect.provideService(
        serving(root, 4096 * MIB, { filecacheConnstr: connstr }, false),
        ServiceTrouble,
        (trouble) => Effect.sync(() => void told.push(trouble))
      )
      const { next } = yield* greeted(port)
      assert.isNull(yield* Effect.promise(() => next()))
      assert.lengthOf(told, 1)
      assert.match(told[0] ?? "", /every autoscaling agent is dropped: failed to connect to Postgres: /)
    })
  )

  it.live("drops who does not greet in time", () =>
    Effect.gen(function* () {
      const { root } = yield* machine
      const { port } = yield* serving(root, 1024 * MIB)
      const peer = yield* agent(port)
      const begin = performance.now()
      assert.isNull(yield* Effect.promise(() => peer.next()))
      assert.isAtLeast(performance.now() - begin, 3500)
    })
  )

  it.live("tells of an error when its samples are old, and of nothing to manage", () =>
    Effect.gen(function* () {
      const { root } = yield* machine
      const { port } = yield* serving(root, 1024 * MIB)
      const peer = yield* greeted(port)
      yield* Effect.sleep("300 millis")
      rmSync(join(root, "neon-postgres"), { recursive: true })
      yield* Effect.sleep("5500 millis")
      peer.send({ type: "DownscaleRequest", content: { target: resources(512 * MIB) }, id: 2 })
      assert.deepStrictEqual(yield* Effect.promise(() => peer.next()), {
        type: "InternalError",
        error: "failed to downscale",
        id: 2
      })
      const bare = yield* serving(root, 1024 * MIB, { cgroup: "" })
      const unmanaged = yield* greeted(bare.port)
      unmanaged.send({ type: "DownscaleRequest", content: { target: resources(512 * MIB) }, id: 2 })
      assert.deepStrictEqual(yield* Effect.promise(() => unmanaged.next()), {
        type: "DownscaleResult",
        Ok: true,
        Status: "monitor is not managing cgroup or file cache",
        id: 2
      })
    })
  )

  it.live("fails to serve on an address that is taken or is none", () =>
    Effect.gen(function* () {
      const { root } = yield* machine
      const { port } = yield* serving(root, 1024 * MIB)
      for (const vmMonitorAddr of [`127.0.0.1:${port}`, "nonsense"]) {
        const { fiber } = yield* serving(root, 1024 * MIB, { vmMonitorAddr })
        assert.strictEqual((yield* Fiber.await(fiber))._tag, "Failure")
      }
    })
  )
})

describe.each(versions)("VmMonitor on Postgres $version", ({ bin }) => {
  it.live("resizes the file cache, capped, and answers health checks while Postgres hangs", () =>
    Effect.gen(function* () {
      const postgres = yield* throwAwayPostgres(bin, {
        "neon.file_cache_size_limit": "64MB",
        "neon.max_file_cache_size": "1GB"
      })
      const { root } = yield* machine
      const filecacheConnstr = `host=127.0.0.1 port=${postgres.port} dbname=postgres user=cloud_admin sslmode=disable application_name=vm-monitor`
      const { port } = yield* serving(root, 1024 * MIB, { filecacheConnstr }, false)
      const setting = () =>
        /file_cache_size_limit = '?(\d+)/.exec(readFileSync(join(postgres.data, "postgresql.auto.conf"), "utf8"))?.[1]
      const peer = yield* greeted(port)
      const ask = (value: unknown) =>
        Effect.promise(() => {
          peer.send(value)
          return peer.next()
        })
      yield* ask({ type: "UpscaleNotification", content: { granted: resources(8192 * MIB) }, id: 2 })
      assert.strictEqual(setting(), "1024")
      const small = yield* ask({ type: "DownscaleRequest", content: { target: resources(1124 * MIB) }, id: 4 })
      assert.match(String(small?.["Status"]), /^set file cache size to 698\.0 MiB; set cgroup memory threshold from /)
      assert.strictEqual(setting(), "698")

      postgres.child.kill("SIGSTOP")
      const rows = readFileSync(`/proc/${postgres.pid}/task/${postgres.pid}/children`, "utf8").trim().split(" ")
      for (const pid of rows) process.kill(Number(pid), "SIGSTOP")
      yield* Effect.addFinalizer(() =>
        Effect.sync(() => {
          for (const pid of rows) process.kill(Number(pid), "SIGCONT")
        })
      )
      peer.send({ type: "DownscaleRequest", content: { target: resources(1024 * MIB) }, id: 6 })
      const begin = performance.now()
      assert.deepStrictEqual(yield* ask({ type: "HealthCheck", content: {}, id: 8 }), { type: "HealthCheck", id: 8 })
      assert.deepStrictEqual(yield* Effect.promise(() => peer.next()), {
        type: "InternalError",
        error: "failed to downscale",
        id: 6
      })
      assert.isBelow(performance.now() - begin, 20_000)
    })
  )
})

import { execFile } from "node:child_process"
import * as fs from "node:fs"
import { createServer, type ServerResponse } from "node:http"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { archive } from "../rig/archive.ts"
import { startCompute } from "../rig/compute.ts"
import { startEmulator, startFakeEmulator } from "../rig/emulator.ts"
import { tempDir } from "../rig/postgres.ts"
import { LIMIT, until } from "../rig/waits.ts"

const remote_extensions = {
  public_extensions: ["geo", "bad"],
  custom_extensions: null,
  library_index: { geo_lib: "geo" },
  extension_data: {
    geo: { control_data: { "geo.control": "comment = 'remote'\ndefault_version = '1.0'\n" }, archive_path: "" },
    bad: { control_data: {}, archive_path: "" }
  }
}

const geo = archive([
  { name: "share/extension/geo.control", text: "comment = 'archive'\ndefault_version = '1.0'\n" },
  { name: "share/extension/geo--1.0.sql", text: "create function geo() returns int language sql as 'select 42';\n" }
])

/** An extension store that does what `answer` says now. */
const store = Effect.gen(function* () {
  const state = { answer: (response: ServerResponse): void => void response.end(geo), asked: 0, urls: [""] }
  const server = createServer(({ url = "" }, response) => {
    state.asked += 1
    state.urls.push(url)
    response.on("error", () => {})
    state.answer(response)
  })
  yield* Effect.acquireRelease(
    Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
    () =>
      Effect.callback<void>((resume) => {
        server.closeAllConnections()
        server.close(() => resume(Effect.void))
      })
  )
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}`
  return Object.assign(state, { url, args: ["--remote-ext-base-url", `${url}/gw//`] })
})

const post = (name: string, query = "") =>
  ({ method: "POST", path: `/extension_server/${name}${query}`, server: "internal", token: null }) as const

describe("POST /extension_server", () => {
  it.live(
    "answers with the statuses and texts that Postgres' extension knows",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        const gateway = yield* store
        const compute = yield* startCompute({
          emulator,
          spec: { remote_extensions, skip_pg_catalog_updates: true },
          args: gateway.args
        })
        yield* compute.waitFor("running")
        const answer = (name: string, query = "") =>
          Effect.map(compute.http(post(name, query)), ({ status, body }) => [status, body])
        const refusal = (text: string) => JSON.stringify({ error: text })
        assert.deepStrictEqual(yield* answer("geo", "?is_library=1"), [
          400,
          refusal("failed to deserialize query string: is_library: provided string was not `true` or `false`")
        ])
        assert.deepStrictEqual(yield* answer("zzz-1.so.3", "?is_library=true"), [
          404,
          refusal("library zzz-1 is not found")
        ])
        assert.deepStrictEqual(yield* answer("a%2Fb"), [404, refusal("extension a/b is not found")])
        gateway.answer = (response) => void response.writeHead(404).end()
        assert.deepStrictEqual(yield* answer("geo"), [
          500,
          refusal(
            'Failed to download a remote file: error downloading extension "geo": unexpected remote extensions server response status code: 404 Not Found'
          )
        ])
        gateway.answer = (response) => void response.end(geo)
        assert.deepStrictEqual(yield* answer("geo"), [200, ""])
        assert.deepStrictEqual(yield* answer("geo_lib.so", "?is_library=true"), [200, ""])
        assert.strictEqual(gateway.asked, 2)
        const { body } = yield* compute.http({ path: "/metrics" })
        assert.include(body, 'compute_ctl_remote_ext_requests_total{filename="geo.tar.zst",http_status="200 OK"} 1')
      }),
    LIMIT
  )

  it.live(
    "goes through the proxy that the environment names, but where it is excepted",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        const proxy = yield* store
        const near = yield* store
        const start = (base: string) =>
          startCompute({
            emulator,
            spec: { remote_extensions, skip_pg_catalog_updates: true },
            args: ["--remote-ext-base-url", base],
            env: { http_proxy: proxy.url, ALL_PROXY: "socks5://127.0.0.1:1", NO_PROXY: "10.0.0.1, 127.0.0.0/8" }
          })
        const proxied = yield* start("http://store.example.invalid/gw")
        yield* proxied.waitFor("running")
        assert.strictEqual((yield* proxied.http(post("geo"))).status, 200)
        assert.match(proxy.urls.at(-1) ?? "", /^http:\/\/store\.example\.invalid\/gw\/.*\/geo\.tar\.zst$/)
        assert.include(proxied.log(), "ALL_PROXY does not name an HTTP proxy (socks5), so it is ignored")
        const direct = yield* start(`${near.url}/gw`)
        yield* direct.waitFor("running")
        assert.strictEqual((yield* direct.http(post("geo"))).status, 200)
        assert.deepStrictEqual([proxy.asked, near.asked], [1, 1])
      }),
    LIMIT
  )

  it.live(
    "says what is missing, also while there is no spec, and harms nothing",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        const gateway = yield* store
        const empty = yield* startCompute({ emulator, spec: null, args: gateway.args })
        yield* empty.waitFor("empty")
        const early = yield* empty.http(post("geo"))
        assert.deepStrictEqual(
          [early.status, early.body],
          [409, '{"error":"information about remote extensions is unavailable"}']
        )
        yield* empty.waitFor("empty")
        const bare = yield* startCompute({ emulator, spec: { remote_extensions, skip_pg_catalog_updates: true } })
        yield* bare.waitFor("running")
        const unconfigured = yield* bare.http(post("geo"))
        assert.deepStrictEqual(
          [unconfigured.status, unconfigured.body],
          [412, '{"error":"remote storage is not configured"}']
        )
      }),
    LIMIT
  )
})

describe("remote extensions on a real Postgres", () => {
  it.live(
    "are created from what was downloaded; a store that hangs, cuts or lies is not noticed by a benchmark",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const gateway = yield* store
        const compute = yield* startCompute({
          emulator,
          spec: { remote_extensions, skip_pg_catalog_updates: true },
          args: gateway.args
        })
        yield* compute.waitFor("running")
        const tool = path.join(path.dirname(emulator.addresses.pgbin), "pgbench")
        const connection = ["-h", "127.0.0.1", "-p", String(compute.ports.postgres), "-U", "cloud_admin", "postgres"]
        const bench = (args: ReadonlyArray<string>) =>
          Effect.callback<string, Error>((resume) => {
            execFile(tool, [...args, ...connection], { timeout: 120_000 }, (error, stdout, stderr) =>
              resume(error === null ? Effect.succeed(stdout) : Effect.fail(new Error(stderr)))
            )
          })
        const hasBench = fs.existsSync(tool)
        if (!hasBench) console.warn("skipped in part: this Postgres has no pgbench")
        if (hasBench) yield* bench(["-i", "-q", "-s", "1"])
        const benchmark = yield* Effect.forkChild(
          hasBench ? bench(["-c", "2", "-T", "4"]) : Effect.succeed("failed: 0 ")
        )

        const ask = (name: string) => Effect.map(compute.http(post(name)), ({ status }) => status)
        gateway.answer = () => {}
        const hanging = yield* Effect.forkChild(ask("geo"))
        yield* until("the store to hang", () => gateway.asked === 1)
        for (const bytes of [Buffer.from("garbage"), archive([{ name: "../evil", text: "x" }]), geo.subarray(0, 60)]) {
          gateway.answer = (response) => void response.end(bytes)
          assert.strictEqual(yield* ask("bad"), 500)
          assert.strictEqual((yield* compute.status)?.["status"], "running")
        }
        yield* Fiber.interrupt(hanging)
        const text = yield* Fiber.join(benchmark)
        assert.match(text, /failed: 0 |failed transactions: 0 /)
        assert.strictEqual((yield* compute.status)?.["status"], "running")
      }),
    LIMIT
  )

  it.live(
    "are there for CREATE EXTENSION",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const gateway = yield* store
        const compute = yield* startCompute({
          emulator,
          spec: { remote_extensions, skip_pg_catalog_updates: true },
          args: gateway.args
        })
        yield* compute.waitFor("running")
        const available = "select comment from pg_available_extensions where name = 'geo'"
        assert.strictEqual(yield* compute.sql(available), "remote")
        assert.strictEqual((yield* compute.http(post("geo"))).status, 200)
        yield* compute.sql("create extension geo")
        assert.strictEqual(yield* compute.sql("select geo()"), "42")
        yield* compute.http({ method: "POST", path: "/terminate?mode=immediate" })
        assert.strictEqual((yield* compute.ended).code, 0)
      }),
    LIMIT
  )

  it.live(
    "count into the numbers of the start when a preload library needs them, and are there before the LSN is asked for",
    () =>
      Effect.gen(function* () {
        const gateway = yield* store
        const pgdata = path.join(yield* tempDir("order-"), "pgdata")
        const before: Array<readonly [number, boolean]> = []
        const emulator = yield* startFakeEmulator({
          log: ({ text }) => {
            if (text !== "TIMELINE_STATUS") return
            before.push([gateway.asked, fs.existsSync(path.join(pgdata, "postgresql.conf"))])
          }
        })
        const compute = yield* startCompute({
          emulator,
          spec: { remote_extensions, skip_pg_catalog_updates: true },
          settings: [{ name: "shared_preload_libraries", value: "neon,geo_lib", vartype: "string" }],
          args: gateway.args,
          dir: path.dirname(pgdata)
        })
        yield* compute.waitFor("running")
        assert.isNotEmpty(before)
        for (const found of before) assert.deepStrictEqual(found, [1, true])
        const metrics = JSON.parse((yield* compute.http({ path: "/metrics.json" })).body)
        assert.deepStrictEqual(
          [metrics.num_ext_downloaded, metrics.largest_ext_size, metrics.total_ext_download_size],
          [1, geo.length, geo.length]
        )
      }),
    LIMIT
  )
})

import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs"
import { createServer, type RequestListener } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Client } from "pg"
import { type ComputeOptions, Options } from "../../../../src/layers/compute/Options.ts"
import { PostgresExporter } from "../../../../src/layers/neighbours/exporter/PostgresExporter.ts"
import { Sql } from "../../../../src/layers/sql/Sql.ts"
import { parseExposition } from "../../../rig/strictExposition.ts"
import { throwAwayPostgres, versions } from "../../throwAwayPostgres.ts"

const directory = (depth = "") =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const root = mkdtempSync(join(tmpdir(), "exporter-"))
      const pgdata = join(root, depth, "pgdata")
      mkdirSync(pgdata, { recursive: true })
      return { root, pgdata }
    }),
    ({ root }) => Effect.sync(() => rmSync(root, { recursive: true, force: true }))
  )

/** Bound by a relative path, as Postgres does, which has no limit of its own. */
const serve = (pgdata: string, listener: RequestListener) =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve) => {
          const server = createServer(listener)
          const home = process.cwd()
          process.chdir(pgdata)
          server.listen("neon-communicator.socket", () => resolve(server))
          process.chdir(home)
        })
    ),
    (server) =>
      Effect.sync(() => {
        server.closeAllConnections()
        server.close()
      })
  )

const layerOf = (sql: Layer.Layer<Sql>, pgdata: string, options: Partial<ComputeOptions>) =>
  PostgresExporter.layer.pipe(
    Layer.provide(sql),
    Layer.provide(Layer.succeed(Options, { pgdata, ...options } as ComputeOptions))
  )

const ask = (
  pgdata: string,
  options: Partial<ComputeOptions> = {},
  connstr = "postgresql://nobody@127.0.0.1:1/postgres"
) =>
  Effect.gen(function* () {
    const { status, contentType, body } = yield* (yield* PostgresExporter).autoscaling
    return { status, contentType, text: Buffer.from(body).toString() }
  }).pipe(Effect.scoped, Effect.provide(layerOf(Sql.layerTo(connstr), pgdata, options)))

describe("PostgresExporter", () => {
  it.live("passes status, content type and body on", () =>
    Effect.gen(function* () {
      const { pgdata } = yield* directory()
      const seen: Array<string> = []
      yield* serve(pgdata, (request, response) => {
        seen.push(`${request.method} ${request.url} ${request.headers.host}`)
        response.writeHead(203, { "content-type": "application/text", "x-other": "1" }).end("lfc_hits 1\n")
      })
      assert.deepStrictEqual(yield* ask(pgdata), { status: 203, contentType: "application/text", text: "lfc_hits 1\n" })
      assert.deepStrictEqual(seen, ["GET /autoscaling_metrics localhost"])
    })
  )

  it.live("reaches a socket deeper than the kernel's limit, and leaves no link behind", () =>
    Effect.gen(function* () {
      const { pgdata } = yield* directory(join("d".repeat(60), "e".repeat(60)))
      yield* serve(pgdata, (_, response) => response.end("deep"))
      assert.strictEqual((yield* ask(pgdata)).text, "deep")
      assert.deepStrictEqual(
        readdirSync(tmpdir()).filter((name) => name.startsWith(`compute_ctl.short-socket.${process.pid}.`)),
        []
      )
    })
  )

  it.live("says that nobody listens in the words clients know", () =>
    Effect.gen(function* () {
      for (const depth of ["", "d".repeat(100)]) {
        const { pgdata } = yield* directory(depth)
        const error = yield* Effect.flip(ask(pgdata))
        assert.strictEqual(
          error.message,
          "connecting to communicator control socket: No such file or directory (os error 2)"
        )
      }
    })
  )

  it.live("breaks an answer off that has no end", () =>
    Effect.gen(function* () {
      const { pgdata } = yield* directory()
      const piece = Buffer.alloc(64 * 1024, "#")
      yield* serve(pgdata, (_, response) => {
        const more = () => {
          while (response.writable && response.write(piece));
        }
        response.on("drain", more)
        more()
      })
      assert.match((yield* Effect.flip(ask(pgdata))).message, /^fetching metrics from .*: more than 8388608 bytes$/)
    })
  )

  it.live("asks once for all who ask at the same time", () =>
    Effect.gen(function* () {
      const { pgdata } = yield* directory()
      let asked = 0
      yield* serve(pgdata, (_, response) => {
        asked += 1
        setTimeout(() => response.end(`${asked}`), 20)
      })
      yield* Effect.flatMap(PostgresExporter, ({ autoscaling }) =>
        Effect.all(
          Array.from({ length: 20 }, () => autoscaling),
          { concurrency: "unbounded" }
        )
      ).pipe(Effect.provide(layerOf(Sql.layerTo("postgresql://nobody@127.0.0.1:1/postgres"), pgdata, {})))
      assert.isAtMost(asked, 2)
    })
  )

  it.live("keeps its session, unless the server has none for others of ours", () =>
    Effect.gen(function* () {
      const { pgdata } = yield* directory()
      let opened = 0
      let open = 0
      let isCrowded = false
      const session = Effect.acquireRelease(
        Effect.sync(() => {
          opened += 1
          open += 1
          return { query: () => Effect.succeed([]), script: () => Effect.void, backend: null }
        }),
        () =>
          Effect.sync(() => {
            open -= 1
          })
      )
      const sql = Layer.mock(Sql, { session: () => session, isCrowded: () => isCrowded })
      yield* Effect.gen(function* () {
        const { autoscaling } = yield* PostgresExporter
        yield* Effect.all([autoscaling, autoscaling, autoscaling])
        assert.deepStrictEqual([opened, open], [1, 1])
        isCrowded = true
        yield* autoscaling
        assert.deepStrictEqual([opened, open], [1, 0])
        yield* autoscaling
        assert.deepStrictEqual([opened, open], [2, 0])
      }).pipe(Effect.provide(layerOf(sql, pgdata, { autoscalingMetricsFromSql: true })))
    })
  )

  it.live("gives a server that never answers up, and notices one that breaks off", () =>
    Effect.gen(function* () {
      const { pgdata } = yield* directory()
      let hangs = true
      yield* serve(pgdata, (_, response) => {
        if (!hangs) response.socket?.destroy()
      })
      const begin = performance.now()
      const timedOut = yield* Effect.flip(ask(pgdata))
      assert.match(timedOut.message, /^fetching metrics from Postgres metrics service: /)
      assert.isBelow(performance.now() - begin, 20_000)
      hangs = false
      assert.match((yield* Effect.flip(ask(pgdata))).message, /^fetching metrics from Postgres metrics service: /)
    })
  )
})

describe.each(versions)("PostgresExporter on Postgres $version", ({ bin }) => {
  it.live("answers from SQL when the flag is on and there is no socket", () =>
    Effect.gen(function* () {
      const { pgdata } = yield* directory()
      const postgres = yield* throwAwayPostgres(bin, { "neon.file_cache_size_limit": "64MB" })
      const names = (text: string) =>
        parseExposition(text).map(({ name, samples }) => [name, samples.length, samples[0]?.value])
      const flag = { autoscalingMetricsFromSql: true }

      const vanilla = yield* ask(pgdata, flag, postgres.connstr)
      assert.deepStrictEqual(names(vanilla.text), [["lfc_cache_size_limit", 1, 67108864]])

      yield* Effect.promise(async () => {
        const client = new Client({ connectionString: postgres.connstr })
        await client.connect()
        await client.query(`
          create schema neon;
          create view neon.neon_lfc_stats(lfc_key, lfc_value) as values ('file_cache_misses', 7::bigint),
            ('file_cache_hits', 9), ('file_cache_used', 3), ('file_cache_writes', null), ('file_cache_size', 1);
          create function neon.approximate_working_set_size_seconds(duration integer default null) returns integer
            language sql return duration * 2`)
        await client.end()
      })
      const full = yield* ask(pgdata, flag, postgres.connstr)
      assert.strictEqual(full.status, 200)
      assert.strictEqual(full.contentType, "application/text")
      assert.deepStrictEqual(names(full.text), [
        ["lfc_cache_size_limit", 1, 67108864],
        ["lfc_hits", 1, 9],
        ["lfc_misses", 1, 7],
        ["lfc_used", 1, 3],
        ["lfc_approximate_working_set_size_windows", 60, 2040]
      ])
      assert.match((yield* Effect.flip(ask(pgdata, {}, postgres.connstr))).message, /^connecting to communicator/)
    })
  )

  it.live("asks by one session, which is another one when it has been ended, and looks anew for what there is", () =>
    Effect.gen(function* () {
      const { pgdata } = yield* directory()
      const postgres = yield* throwAwayPostgres(bin)
      const client = yield* Effect.acquireRelease(
        Effect.promise(async () => {
          const opened = new Client({ connectionString: postgres.connstr })
          await opened.connect()
          return opened
        }),
        (opened) => Effect.promise(() => opened.end())
      )
      const backends = Effect.promise(async () => {
        const { rows } = await client.query<{ pid: number }>(
          "select pid from pg_stat_activity where application_name = 'compute_ctl:autoscaling_metrics'"
        )
        return rows.map(({ pid }) => pid)
      })
      yield* Effect.gen(function* () {
        const { autoscaling } = yield* PostgresExporter
        const text = Effect.map(autoscaling, ({ body }) => Buffer.from(body).toString())
        assert.strictEqual(yield* text, "")
        const [first] = yield* backends
        yield* Effect.promise(() =>
          client.query(
            "create schema neon; create view neon.neon_lfc_stats as select 'file_cache_hits' as lfc_key, 9 as lfc_value"
          )
        )
        assert.match(yield* text, /^lfc_hits 9$/m)
        assert.deepStrictEqual(yield* backends, [first])
        yield* Effect.promise(() => client.query("select pg_terminate_backend($1)", [first]))
        yield* Effect.promise(() =>
          client.query(`drop schema neon cascade; create role tenant; create schema neon authorization tenant;
            set role tenant; create view neon.neon_lfc_stats as select 'file_cache_hits' as lfc_key, 1/0 as lfc_value`)
        )
        assert.strictEqual(yield* text, "")
        assert.notDeepEqual(yield* backends, [first])
      }).pipe(Effect.provide(layerOf(Sql.layerTo(postgres.connstr), pgdata, { autoscalingMetricsFromSql: true })))
    })
  )
})

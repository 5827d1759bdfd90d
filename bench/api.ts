/**
 * What the API takes of programs that run side by side: under load, asked now and then, and in memory.
 */
import * as Effect from "effect/Effect"
import { type Compute, startCompute } from "../test/rig/compute.ts"
import { startFakeEmulator } from "../test/rig/emulator.ts"
import { adminToken } from "../test/rig/tokens.ts"
import { serveExporter } from "./exporter.ts"
import { type Client, startClient } from "./load.ts"
import { type Figures, noteMemory, quantile } from "./measure.ts"
import { used } from "./processor.ts"

interface Asked {
  readonly figures: Figures
  readonly compute: Compute
}

export interface ApiOptions {
  readonly rounds: number
  /** Of each route in each round. */
  readonly loadMillis: number
  /** At one a second, of each route. */
  readonly seldom: number
  /** In all, for the memory. */
  readonly requests: number
  readonly env: Readonly<Record<string, string>>
}

const CONNECTIONS = 16
const LOADED = ["/status", "/metrics", "/livez", "/startupz"]
const SELDOM = [...LOADED, "/autoscaling_metrics"]

const order = ({ compute }: Asked, path: string) => ({
  port: compute.ports.external,
  path,
  token: path === "/status" ? adminToken() : null,
  connections: CONNECTIONS,
  pause: 0
})

const loaded = (client: Client, path: string, millis: number, asked: Asked) =>
  Effect.gen(function* () {
    const { compute, figures } = asked
    const before = used(compute.pid)
    const { perSecond, taken } = yield* client({ ...order(asked, path), until: { millis } })
    const after = used(compute.pid)
    const name = `API: ${path}, ${CONNECTIONS} connections`
    figures.note(name, "/s", perSecond)
    figures.note(`${name}, p50`, "ms", quantile(taken, 0.5))
    figures.note(`${name}, p99`, "ms", quantile(taken, 0.99))
    figures.note(`${name}, processor time of a request`, "us", ((after.all - before.all) * 1000) / taken.length)
  })

/** A scraper's, or a probe's: what a request finds that nobody has asked for a second. */
const seldom = (client: Client, path: string, count: number, asked: Asked) =>
  Effect.gen(function* () {
    const { figures } = asked
    const until = { requests: count }
    const { taken } = yield* client({ ...order(asked, path), connections: 1, pause: 1000, until })
    figures.note(`API: ${path}, one a second, p50`, "ms", quantile(taken, 0.5))
    figures.note(`API: ${path}, one a second, most`, "ms", quantile(taken, 1))
  })

/** What a garbage collector does in its own time, it does in the seconds after. */
const REST = "15 seconds"

/** The programs take turns within each round; they run all at once, and those that are not asked are idle. */
export const api = (programs: ReadonlyArray<{ readonly program: string; readonly figures: Figures }>, o: ApiOptions) =>
  Effect.gen(function* () {
    const emulator = yield* startFakeEmulator()
    const client = yield* startClient
    const all = yield* Effect.forEach(programs, ({ figures, program }) =>
      Effect.gen(function* () {
        process.env["COMPUTE_CTL_BIN"] = program
        const compute = yield* startCompute({ emulator, env: o.env, spec: { skip_pg_catalog_updates: true } })
        yield* compute.written("compute start finished")
        yield* serveExporter(compute.pgdata)
        return { figures, compute }
      })
    )
    yield* Effect.sleep(REST)
    for (const { compute, figures } of all) noteMemory(figures, "API: before requests", compute.pid)
    yield* Effect.forEach(SELDOM, (path) =>
      Effect.forEach(all, (asked) => seldom(client, path, o.seldom, asked), { concurrency: "unbounded" })
    )
    for (const asked of all) {
      for (const path of LOADED) {
        yield* client({ ...order(asked, path), until: { requests: o.requests / LOADED.length } })
      }
      noteMemory(asked.figures, `API: after ${o.requests} requests`, asked.compute.pid)
    }
    yield* Effect.sleep(REST)
    for (const { compute, figures } of all) noteMemory(figures, "API: and a rest", compute.pid)
    for (let round = 0; round < o.rounds; round++) {
      for (const path of LOADED) yield* Effect.forEach(all, (asked) => loaded(client, path, o.loadMillis, asked))
    }
    yield* Effect.sleep(REST)
    for (const { compute, figures } of all) noteMemory(figures, "API: after the load and a rest", compute.pid)
  }).pipe(Effect.scoped)

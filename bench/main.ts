/**
 * What a start, a stop and a request take, for one program or for several side by side.
 *
 *     npm run bench                                  dist/compute_ctl
 *     npm run bench -- --runs 15 /path/to/another    both, in turn, with ratios
 *
 * The programs take turns run by run, so that a machine that gets slower does so for all of them.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type { Emulator } from "../src/emulator/Emulator.ts"
import { startCompute } from "../test/rig/compute.ts"
import { startEmulator, startFakeEmulator } from "../test/rig/emulator.ts"
import { adminToken } from "../test/rig/tokens.ts"
import { throughput } from "./load.ts"
import { type Series, table } from "./measure.ts"

const args = process.argv.slice(2)
const runsAt = args.indexOf("--runs")
const runs = runsAt < 0 ? 7 : Number(args[runsAt + 1])
const others = args.filter((_, at) => runsAt < 0 || (at !== runsAt && at !== runsAt + 1))
const programs = [
  process.env["COMPUTE_CTL_BIN"] ?? path.resolve("dist/compute_ctl"),
  ...others.map((one) => path.resolve(one))
]

const LOAD_MILLIS = 2_000
const QUIET = { skip_pg_catalog_updates: true }

type Figures = Map<string, { unit: string; values: Array<number> }>

const noteIn = (figures: Figures) => (name: string, unit: string, value: number) => {
  const known = figures.get(name) ?? { unit, values: [] }
  known.values.push(value)
  figures.set(name, known)
}
type Note = ReturnType<typeof noteIn>

const resident = (pid: number): number => {
  const found = /VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))
  return Number(found?.[1]) / 1024
}

const since = (begun: number) => performance.now() - begun

const PHASES = ["sync_sk_check_ms", "basebackup_ms", "start_postgres_ms", "config_ms"]

const start = (emulator: Emulator, kind: string, spec: object, note: Note, isLast: boolean) =>
  Effect.gen(function* () {
    const begun = performance.now()
    const compute = yield* startCompute({ emulator, spec: { ...spec } })
    yield* compute.waitForLog("external HTTP server listening")
    note(`${kind}: exec to HTTP up`, "ms", since(begun))
    yield* compute.waitForLog("compute start finished")
    note(`${kind}: exec to running`, "ms", since(begun))
    const phases = JSON.parse((yield* compute.http({ path: "/metrics.json" })).body)
    for (const phase of PHASES) note(`${kind}: ${phase}`, "ms", phases[phase])
    yield* Effect.sleep("500 millis")
    if (process.platform === "linux") note(`${kind}: resident`, "MB", resident(compute.pid))
    if (isLast) {
      const { external } = compute.ports
      note(`${kind}: /status, authorized`, "/s", yield* throughput(external, "/status", adminToken(), LOAD_MILLIS))
      note(`${kind}: /metrics`, "/s", yield* throughput(external, "/metrics", null, LOAD_MILLIS))
    }
    const asked = performance.now()
    yield* compute.http({ method: "POST", path: "/terminate?mode=immediate" })
    note(`${kind}: /terminate to answer`, "ms", since(asked))
    yield* compute.ended
    note(`${kind}: /terminate to exit`, "ms", since(asked))
  }).pipe(Effect.scoped)

const configure = (emulator: Emulator, kind: string, spec: object, note: Note) =>
  Effect.gen(function* () {
    const compute = yield* startCompute({ emulator, spec: null })
    yield* compute.waitFor("empty")
    const begun = performance.now()
    const answer = yield* compute.configure({ ...compute.spec, ...spec })
    note(`${kind}: /configure to running`, "ms", since(begun))
    if (answer.status !== 200) yield* Effect.die(answer.body)
    compute.signal("SIGKILL")
    yield* compute.ended
  }).pipe(Effect.scoped)

const scenario = (kind: string, emulator: Emulator, spec: object, all: ReadonlyArray<Figures>) =>
  Effect.gen(function* () {
    for (let run = 0; run < runs; run++) {
      for (const [at, program] of programs.entries()) {
        process.env["COMPUTE_CTL_BIN"] = program
        const note = noteIn(all[at] ?? new Map())
        yield* start(emulator, kind, spec, note, run === runs - 1)
        yield* configure(emulator, kind, spec, note)
      }
    }
  })

const main = Effect.gen(function* () {
  const all = programs.map((): Figures => new Map())
  yield* Effect.scoped(
    Effect.flatMap(startFakeEmulator(), (emulator) => scenario("fake Postgres", emulator, QUIET, all))
  )
  yield* Effect.scoped(Effect.flatMap(startEmulator(), (emulator) => scenario("real Postgres", emulator, {}, all)))
  const series = all.map((figures) => [...figures].map(([name, one]): Series => ({ name, ...one })))
  console.log(`${os.cpus().length} x ${os.cpus()[0]?.model ?? "unknown"}, Node ${process.version}, ${runs} runs\n`)
  console.log(table(programs, series))
})

await Effect.runPromise(Effect.scoped(main))

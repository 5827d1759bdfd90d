/**
 * What a start, a `/configure`, requests, a stop and an apply take, for one program or for several side by side.
 *
 *     npm run bench                                  dist/compute_ctl
 *     npm run bench -- --runs 15 /path/to/another    both, in turn, with ratios
 *
 * The programs take turns run by run, so that a machine that gets slower does so for all of them. Further options:
 * `--only fake|real|apply|api` (repeatable), `--traces` (spans are made and sent to nobody), `--load MILLIS` (of each route in
 * each round of `api`), `--short` (three starts on the fake Postgres), `--json FILE`.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { parseArgs } from "node:util"
import * as Effect from "effect/Effect"
import { startEmulator, startFakeEmulator } from "../test/rig/emulator.ts"
import { api } from "./api.ts"
import { apply, configure, type Setup, start } from "./cases.ts"
import { Figures, json, table } from "./measure.ts"

const { positionals, values: given } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: "string" },
    only: { type: "string", multiple: true },
    traces: { type: "boolean", default: false },
    load: { type: "string" },
    short: { type: "boolean", default: false },
    json: { type: "string" }
  }
})

const runs = Number(given.runs ?? (given.short ? 3 : 7))
const loadMillis = Number(given.load ?? (given.short ? 500 : 2_000))
const only = given.only ?? (given.short ? ["fake"] : ["fake", "real", "apply", "api"])
const env = { OTEL_SDK_DISABLED: String(!given.traces) }
const programs = [
  process.env["COMPUTE_CTL_BIN"] ?? path.resolve("dist/compute_ctl"),
  ...positionals.map((one) => path.resolve(one))
]
const all = programs.map((program) => ({ program, figures: new Figures() }))

/** Each program once, in turn. */
const inTurn = (measure: (figures: Figures) => Effect.Effect<void, unknown>) =>
  Effect.forEach(all, ({ figures, program }) =>
    Effect.suspend(() => {
      process.env["COMPUTE_CTL_BIN"] = program
      return measure(figures)
    })
  )

const starts = (setup: Setup) =>
  Effect.gen(function* () {
    for (let run = 0; run < runs; run++) {
      yield* inTurn((figures) => start(figures, setup))
      yield* inTurn((figures) => configure(figures, setup))
    }
  })

const fake = Effect.gen(function* () {
  const emulator = yield* startFakeEmulator()
  yield* starts({ emulator, kind: "fake Postgres", env, spec: { skip_pg_catalog_updates: true } })
})

const real = Effect.gen(function* () {
  const emulator = yield* startEmulator()
  yield* starts({ emulator, kind: "real Postgres", env, spec: {} })
})

const applies = Effect.gen(function* () {
  const emulator = yield* startEmulator()
  const setup = { emulator, kind: "real Postgres", env, spec: {} }
  for (let run = 0; run < Math.ceil(runs / 3); run++) {
    yield* inTurn((figures) => apply(figures, setup, 1000, 0))
    yield* inTurn((figures) => apply(figures, setup, 1000, 10))
    yield* inTurn((figures) => apply(figures, setup, 100, 100))
  }
})

const main = Effect.gen(function* () {
  if (only.includes("fake")) yield* Effect.scoped(fake)
  if (only.includes("real")) yield* Effect.scoped(real)
  if (only.includes("apply")) yield* Effect.scoped(applies)
  if (only.includes("api"))
    yield* api(all, { rounds: runs, loadMillis, seldom: given.short ? 3 : 10, requests: 18_000, env })
  const machine = `${os.cpus().length} x ${os.cpus()[0]?.model ?? "unknown"}, Node ${process.version}, ${runs} runs`
  const series = all.map(({ figures }) => figures.series)
  if (given.json !== undefined) fs.writeFileSync(given.json, `${json(machine, programs, series)}\n`)
  console.log(`${machine}, ${given.traces ? "with" : "without"} traces\n\n${table(programs, series)}`)
})

await Effect.runPromise(main)

/**
 * What is measured of a program: its start, a `/configure` of one that waited, its requests, its stop, its applies.
 */
import * as Effect from "effect/Effect"
import type { Emulator } from "../src/emulator/Emulator.ts"
import { startCompute } from "../test/rig/compute.ts"
import type { SpecJson } from "../test/rig/spec.ts"
import { type Figures, noteMemory } from "./measure.ts"
import { type Used, used } from "./processor.ts"

export interface Setup {
  readonly emulator: Emulator
  readonly spec: SpecJson
  /** In front of every figure's name. */
  readonly kind: string
  readonly env: Readonly<Record<string, string>>
}

const nothing: Used = { main: 0, all: 0 }

/** Wall time and processor time from `begin` on. */
const stopwatch = (figures: Figures, { kind }: Setup) => {
  const begun = performance.now()
  return {
    note: (name: string, pid: number, before: Used = nothing) => {
      const wall = performance.now() - begun
      const now = used(pid)
      figures.note(`${kind}: ${name}`, "ms", wall)
      figures.note(`${kind}: ${name}, main thread`, "ms", now.main - before.main)
      figures.note(`${kind}: ${name}, all threads`, "ms", now.all - before.all)
    }
  }
}

/** What a garbage collector does in its own time has been done. */
const settled = Effect.sleep("700 millis")

const PHASES = ["sync_sk_check_ms", "basebackup_ms", "start_postgres_ms", "config_ms"]

/** From exec to running, and to the end. */
export const start = (figures: Figures, setup: Setup) =>
  Effect.gen(function* () {
    const { emulator, env, kind, spec } = setup
    const watch = stopwatch(figures, setup)
    const compute = yield* startCompute({ emulator, env, spec })
    yield* compute.written("external HTTP server listening")
    watch.note("exec to HTTP up", compute.pid)
    yield* compute.written("compute start finished")
    watch.note("exec to running", compute.pid)
    const phases = JSON.parse((yield* compute.http({ path: "/metrics.json" })).body)
    for (const phase of PHASES) figures.note(`${kind}: ${phase}`, "ms", phases[phase])
    yield* settled
    noteMemory(figures, `${kind}: after the start`, compute.pid)
    const asked = stopwatch(figures, setup)
    const before = used(compute.pid)
    yield* compute.http({ method: "POST", path: "/terminate?mode=immediate" })
    asked.note("/terminate to answer", compute.pid, before)
  }).pipe(Effect.scoped)

/** An empty compute that gets its spec. */
export const configure = (figures: Figures, setup: Setup) =>
  Effect.gen(function* () {
    const { emulator, env, spec } = setup
    const compute = yield* startCompute({ emulator, env, spec: null })
    yield* compute.waitFor("empty")
    const before = used(compute.pid)
    const watch = stopwatch(figures, setup)
    const answer = yield* compute.configure({ ...compute.spec, ...spec })
    watch.note("/configure to running", compute.pid, before)
    if (answer.status !== 200) yield* Effect.die(answer.body)
    compute.signal("SIGKILL")
    yield* compute.ended
  }).pipe(Effect.scoped)

const many = (roles: number, databases: number) => ({
  roles: Array.from({ length: roles }, (_, at) => ({ name: `role_${at}`, encrypted_password: null, options: null })),
  databases: Array.from({ length: databases }, (_, at) => ({ name: `db_${at}`, owner: `role_${at}`, options: null }))
})

/** A large catalog is made, and asked for again without changes. */
export const apply = (figures: Figures, setup: Setup, roles: number, databases: number) =>
  Effect.gen(function* () {
    const { emulator, env, kind, spec } = setup
    const name = `${roles} roles, ${databases} databases`
    const compute = yield* startCompute({ emulator, env, spec })
    yield* compute.written("compute start finished")
    const wanted = { ...compute.spec, cluster: { ...compute.spec["cluster"], ...many(roles, databases) } }
    for (const what of ["from nothing", "again", "a third time", "a third time", "a third time"]) {
      const before = used(compute.pid)
      const watch = stopwatch(figures, setup)
      const answer = yield* compute.configure(wanted)
      watch.note(`${name}, ${what}`, compute.pid, before)
      if (answer.status !== 200) yield* Effect.die(answer.body)
    }
    yield* settled
    noteMemory(figures, `${kind}: ${name}, after the applies`, compute.pid)
  }).pipe(Effect.scoped)

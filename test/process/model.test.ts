/**
 * Everything that changes a compute, at once and in any order, beside the table of its states: whoever asks is answered,
 * no status comes about that the table does not know, and nobody is left behind.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { type Cause, type ComputeStatus, edges, kebab, next } from "../../src/domain/status/ComputeStatus.ts"
import { type Compute, startCompute } from "../rig/compute.ts"
import { startEmulator, startFakeEmulator } from "../rig/emulator.ts"
import type { Answer, HttpFailed } from "../rig/http.ts"
import { makeConfig, type SpecJson } from "../rig/spec.ts"
import { LIMIT, NET } from "../rig/waits.ts"

const CHANGES = [
  "configure",
  "configure badly",
  "refresh",
  "refresh moved",
  "refresh broken",
  "promote",
  "renew"
] as const
const ENDS = ["terminate fast", "terminate immediate", "SIGTERM", "SIGQUIT", "crash"] as const
type Change = (typeof CHANGES)[number]
type End = (typeof ENDS)[number]

interface Scenario {
  /** Milliseconds after the one before it. */
  readonly changes: ReadonlyArray<readonly [Change, number]>
  readonly ends: ReadonlyArray<readonly [End, number]>
}

const delay = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 20 }), fc.integer({ min: 50, max: 400 }))
const scenarios: fc.Arbitrary<Scenario> = fc.record({
  changes: fc.array(fc.tuple(fc.constantFrom(...CHANGES), delay), { minLength: 3, maxLength: 10 }),
  ends: fc.array(fc.tuple(fc.constantFrom(...ENDS), delay), { minLength: 1, maxLength: 2 })
})

/** What an asker got: an answer, or none because there was nobody any more. */
interface Asked {
  readonly what: Change | End
  readonly answer: { readonly status: number; readonly body: string } | string
  /** Whether it came after something that ends the process. */
  readonly late: boolean
}

const RENEWED = path.join(import.meta.dirname, "../fixtures/tls")

/** Null for what nobody answers. */
const act = (compute: Compute, what: Change | End): Effect.Effect<Answer | null, HttpFailed> => {
  const post = (where: string, body?: unknown) =>
    compute.http({ method: "POST", path: where, ...(body !== undefined && { body }), limit: NET })
  const quietly = (effect: () => void) => Effect.as(Effect.sync(effect), null)
  const rewrite = (spec: SpecJson) => fs.writeFileSync(compute.configPath, JSON.stringify(makeConfig(spec)))
  const refresh = compute.http({ method: "POST", path: "/refresh_configuration", server: "internal" })
  switch (what) {
    case "configure":
      return post("/configure", makeConfig(compute.spec))
    case "configure badly":
      return post("/configure", makeConfig({ ...compute.spec, logs_export_host: "without a port" }))
    case "refresh":
      return refresh
    case "refresh moved": {
      const moved = String(compute.spec["pageserver_connstring"]).replace("no_user", `moved${compute.log().length}`)
      return Effect.andThen(
        quietly(() => rewrite({ ...compute.spec, pageserver_connstring: moved })),
        refresh
      )
    }
    case "refresh broken":
      return Effect.andThen(
        quietly(() => fs.writeFileSync(compute.configPath, "{")),
        refresh
      )
    case "promote":
      return post("/promote", { spec: compute.spec, wal_flush_lsn: "0/1" })
    case "renew":
      return quietly(() => {
        const kind = compute.log().length % 2 === 0 ? "ec" : "ec-renewed"
        for (const end of ["key", "crt"]) {
          fs.copyFileSync(path.join(RENEWED, `${kind}.${end}`), path.join(compute.dir, `tls.${end}`))
        }
      })
    case "terminate fast":
    case "terminate immediate":
      return post(`/terminate?mode=${what.split(" ")[1]}`)
    case "SIGTERM":
    case "SIGQUIT":
      return quietly(() => compute.signal(what))
    case "crash":
      return quietly(() => {
        const pid = fs.readFileSync(path.join(compute.pgdata, "postmaster.pid"), "utf8").split("\n")[0]
        process.kill(Number(pid), "SIGKILL")
      })
  }
}

const run = (compute: Compute, { changes, ends }: Scenario) =>
  Effect.gen(function* () {
    let late = false
    const asking = ([what]: readonly [Change | End, number]) =>
      Effect.suspend(() => {
        const isLate = late
        if (what.startsWith("SIG") || what === "crash") late = true
        return act(compute, what).pipe(
          Effect.map((answer): ReadonlyArray<Asked> => (answer === null ? [] : [{ what, answer, late: isLate }])),
          Effect.catch((error) =>
            Effect.succeed<ReadonlyArray<Asked>>([{ what, answer: error.message, late: isLate }])
          ),
          Effect.catchDefect(() => Effect.succeed<ReadonlyArray<Asked>>([]))
        )
      })
    let at = 0
    const timed = [...changes, ...ends].map((entry) => {
      at += entry[1]
      return Effect.delay(asking(entry), at)
    })
    const asked: ReadonlyArray<Asked> = (yield* Effect.all(timed, { concurrency: "unbounded" })).flat()
    return asked
  })

interface Transition {
  readonly from: string
  readonly to: string
  readonly cause: string
}

const transitions = (log: string): ReadonlyArray<Transition> =>
  [...log.matchAll(/Changing compute status from (\S+) to (\S+)(.*)/g)].map(([, from = "", to = "", fields = ""]) => {
    const [, quoted, plain] = / cause=(?:"([^"]*)"|(\S+))/.exec(fields) ?? []
    return { from, to, cause: quoted ?? plain ?? "" }
  })

const statuses = [...new Set(edges.flatMap(({ from, to }) => [from, to]))]
const unkebab = (text: string): ComputeStatus => {
  const found = statuses.find((status) => kebab(status) === text)
  if (found === undefined) throw new Error(`no such status: ${text}`)
  return found
}

/** The log is a walk through the table, from its begin and without a gap. */
const isWalk = (walk: ReadonlyArray<Transition>) => {
  assert.strictEqual(walk[0]?.from, "empty")
  for (const [index, { from, to, cause }] of walk.entries()) {
    if (index > 0) assert.strictEqual(from, walk[index - 1]?.to, "a gap between two transitions")
    const step = edges.find((edge) => kebab(edge.from) === from && edge.cause === cause)
    assert.strictEqual(step === undefined ? "not in the table" : kebab(step.to), to, `${from} by ${cause}`)
  }
}

const causes: Partial<Record<Change | End, Cause>> = {
  configure: "configure",
  "configure badly": "configure",
  "terminate fast": "terminate fast",
  "terminate immediate": "terminate immediate"
}

const codes: Partial<Record<Change | End, ReadonlyArray<number>>> = {
  configure: [200, 412, 500],
  "configure badly": [200, 412, 500],
  refresh: [200, 500],
  "refresh moved": [200, 500],
  "refresh broken": [200, 500],
  promote: [500],
  "terminate fast": [200, 201, 412],
  "terminate immediate": [200, 201, 412]
}

const isAnswered = ({ what, answer, late }: Asked, visited: ReadonlySet<string>) => {
  if (typeof answer === "string") {
    assert.isTrue(late, `${what} was not answered: ${answer}`)
    return
  }
  const { status, body } = answer
  // The servers close.
  if (status === 503 && late) return
  assert.include(codes[what] ?? [], status, `${what}: ${body}`)
  const refused = /^\{"error":"invalid compute status: ([a-z-]+)"\}$/.exec(body)?.[1]
  if (status === 412) assert.isDefined(refused, body)
  if (refused !== undefined) {
    assert.isTrue(visited.has(refused), `${what} was refused in ${refused}, which never was`)
    const cause = causes[what]
    // Without Postgres fewer edges are open: a crash may have come first.
    if (cause !== undefined) assert.isUndefined(next(unkebab(refused), cause, false), `${what} refused in ${refused}`)
  }
  if (status === 200 && what.startsWith("configure")) assert.strictEqual(JSON.parse(body).status, "running")
}

const check = (compute: Compute, scenario: Scenario) =>
  Effect.gen(function* () {
    const asked = yield* run(compute, scenario)
    // A termination that was refused, because something else was under way, is asked for again, as a control plane does.
    for (let tries = 0; tries < 50; tries++) {
      const ended = yield* Effect.timeoutOption(compute.ended, "200 millis")
      if (ended._tag === "Some") break
      yield* Effect.ignore(compute.http({ method: "POST", path: "/terminate?mode=immediate", limit: NET }))
      if (tries > 40) compute.signal("SIGTERM")
    }
    const { code } = yield* compute.ended.pipe(
      Effect.timeoutOrElse({ duration: NET, orElse: () => Effect.fail(new Error("it does not end")) })
    )
    assert.include([0, 1], code)
    const walk = transitions(compute.log())
    isWalk(walk)
    const visited = new Set(walk.flatMap(({ from, to }) => [from, to]))
    for (const one of asked) isAnswered(one, visited)
    assert.deepStrictEqual(yield* compute.processes, [])
    assert.notMatch(compute.log(), /FiberFailure|TypeError|Unhandled|node:internal/)
  }).pipe(
    Effect.catchDefect((defect) =>
      Effect.die(new Error(`${String(defect)}\n${JSON.stringify(scenario)}\n${compute.log().slice(-5000)}`))
    )
  )

/** The pair lies in a folder of its own that exists before the compute does. */
const started = (real: boolean) =>
  Effect.gen(function* () {
    const emulator = real ? yield* startEmulator() : yield* startFakeEmulator()
    const spec = real ? { features: ["tls_experimental"] } : { skip_pg_catalog_updates: true }
    const dir = fs.mkdtempSync(path.join(emulator.addresses.dir, "compute-"))
    fs.chmodSync(dir, 0o755)
    for (const end of ["key", "crt"]) fs.copyFileSync(path.join(RENEWED, `ec.${end}`), path.join(dir, `tls.${end}`))
    const pair = { key_path: path.join(dir, "tls.key"), cert_path: path.join(dir, "tls.crt") }
    const compute = yield* startCompute({ emulator, spec, dir, config: { compute_ctl_config: { tls: pair } } })
    yield* compute.waitFor("running")
    return compute
  })

describe("changes in any order", () => {
  const seeds = process.env["MODEL_SEED"]?.split(",").map(Number)

  for (const seed of seeds ?? [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) {
    const [scenario] = fc.sample(scenarios, { seed, numRuns: 1 })
    if (scenario === undefined) continue
    it.live(
      `${seed}: ${[...scenario.changes, ...scenario.ends].map(([what]) => what).join(", ")}`,
      () => Effect.flatMap(started(false), (compute) => check(compute, scenario)),
      LIMIT
    )
  }

  for (const seed of seeds ?? [101, 102, 103]) {
    const [scenario] = fc.sample(scenarios, { seed, numRuns: 1 })
    if (scenario === undefined) continue
    it.live(
      `${seed} on a real Postgres: ${[...scenario.changes, ...scenario.ends].map(([what]) => what).join(", ")}`,
      () => Effect.flatMap(started(true), (compute) => check(compute, scenario)),
      LIMIT
    )
  }
})

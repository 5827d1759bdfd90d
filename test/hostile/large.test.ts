import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Compute, startCompute } from "../rig/compute.ts"
import { startEmulator, startFakeEmulator } from "../rig/emulator.ts"
import { beside, PROMPT } from "../rig/probe.ts"
import { isKnown, peakMemory } from "../rig/resources.ts"
import { makeConfig, merge, type SpecJson } from "../rig/spec.ts"

const LIMIT = 300_000

const running = Effect.gen(function* () {
  const emulator = yield* startFakeEmulator()
  const compute = yield* startCompute({ emulator, spec: { skip_pg_catalog_updates: true } })
  yield* compute.waitFor("running")
  return compute
})

const post = (compute: Compute, path: string, body: string) =>
  compute.http({ method: "POST", path, headers: { "content-type": "application/json" }, body, limit: 120_000 })

/** Sends it and sees that probes are answered all the while, not only before and after. */
const sendBeside = (compute: Compute, path: string, body: string) =>
  Effect.gen(function* () {
    const before = performance.now()
    const { longest, probes, value } = yield* beside(compute, post(compute, path, body))
    const took = performance.now() - before
    assert.isBelow(longest, Math.max(PROMPT, took / 2), `of ${took} ms, ${probes} probes`)
    return value
  })

const roles = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    name: `role_${index}`,
    encrypted_password: `SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$${"A".repeat(43)}=:${"B".repeat(43)}=`,
    options: [{ name: "CONNECTION LIMIT", value: String(index), vartype: "integer" }]
  }))

describe("a large spec", () => {
  it.live(
    "is applied, planned and reported while probes are answered, and in little memory",
    () =>
      Effect.gen(function* () {
        const count = 100_000
        const emulator = yield* startEmulator()
        const compute = yield* startCompute({ emulator })
        yield* compute.waitFor("running")
        const config = JSON.stringify(makeConfig(merge(compute.spec, { cluster: { roles: roles(count) } })))
        const before = peakMemory(compute.pid)
        const waits: Array<number> = []
        const waiting = <A, E, R>(work: Effect.Effect<A, E, R>) =>
          Effect.map(beside(compute, work), ({ longest, value }) => {
            waits.push(Math.round(longest))
            return value
          })
        const post = { method: "POST", path: "/configure", headers: { "content-type": "application/json" } }
        const configured = yield* waiting(compute.http({ ...post, body: config, limit: LIMIT }))
        assert.strictEqual(configured.status, 200, configured.body.slice(0, 300))
        assert.strictEqual(
          yield* compute.sql("SELECT count(*) FROM pg_roles WHERE rolname LIKE 'role@_%' ESCAPE '@'"),
          `${count}`
        )
        const applied = yield* waiting(compute.http({ path: "/apply", limit: LIMIT }))
        const { phases } = JSON.parse(applied.body)
        const steps = phases.flatMap((phase: { steps: ReadonlyArray<{ state: string }> }) => phase.steps)
        assert.strictEqual(steps.length, count)
        assert.isTrue(steps.every(({ state }: { state: string }) => state === "done"))
        const planned = yield* waiting(compute.http({ path: "/plan", limit: LIMIT }))
        assert.strictEqual(planned.body, '{"phases":[],"warnings":[]}')
        const memory = peakMemory(compute.pid) - before
        assert.isBelow(Math.max(...waits), PROMPT)
        if (isKnown) assert.isBelow(memory, 1500)
      }),
    LIMIT
  )

  it.live(
    "is taken while probes are answered",
    () =>
      Effect.gen(function* () {
        const compute = yield* running
        const body = JSON.stringify(makeConfig(merge(compute.spec, { cluster: { roles: roles(160_000) } })))
        assert.isAbove(body.length, 35_000_000)
        const answer = yield* sendBeside(compute, "/configure", body)
        assert.strictEqual(answer.status, 200, answer.body.slice(0, 300))
        assert.deepInclude(JSON.parse(answer.body), { status: "running" })
      }),
    LIMIT
  )

  it.live(
    "that is wrong is refused at its first fault, and little of it is repeated",
    () =>
      Effect.gen(function* () {
        const compute = yield* running
        const config = (spec: SpecJson) => JSON.stringify(makeConfig(merge(compute.spec, spec)))
        const raw = (member: string) => config({ x: 0 }).replace('"x":0', member)
        const long = "k".repeat(1_000_000)
        for (const [body, status, text] of [
          [config({ cluster: { roles: Array.from({ length: 1_000_000 }, () => 1) } }), 422, "spec.cluster.roles[0]: "],
          [raw(`"x":"${"\\n".repeat(2_000_000)}`), 400, "failed to parse the request body as json"],
          [raw(`"x":${"9".repeat(2_000_000)}`), 400, "number of more than"],
          [raw(`"x":[${"{},".repeat(4_000_000)}1]`), 400, "more than 1500000 lists and objects"],
          [raw(`"x":{${'"a":1,'.repeat(2_000_000)}"b":1}`), 400, "members were given again"],
          [raw(`"mode":"${long}"`), 422, "unknown variant"],
          [raw(`"pgbouncer_settings":{"${long}":1}`), 400, "key of more than"],
          [raw(`"swap_size_bytes":-${"7".repeat(1000)}`), 422, "expected u64"]
        ] as const) {
          const answer = yield* sendBeside(compute, "/configure", body)
          assert.strictEqual(answer.status, status, text)
          assert.include(answer.body, text)
          assert.isBelow(answer.body.length, 600)
        }
        assert.notMatch(compute.log(), /[k7]{200}/)
      }),
    LIMIT
  )
})

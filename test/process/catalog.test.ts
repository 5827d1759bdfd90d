/**
 * The catalog of a running compute, from outside.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { database, role } from "../domain/catalog/parts.ts"
import { runProgram, startCompute } from "../rig/compute.ts"
import { startEmulator } from "../rig/emulator.ts"
import { makeConfig, merge } from "../rig/spec.ts"
import { adminToken } from "../rig/tokens.ts"

const plan = (...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const running = yield* runProgram(["plan", ...args], { env: { COMPUTE_CTL_TOKEN: adminToken() } })
    const { code } = yield* running.ended
    return { code, stdout: running.stdout(), log: running.log() }
  }).pipe(Effect.scoped)

it.live("shows the last apply and plans, and says which object failed", () =>
  Effect.gen(function* () {
    const emulator = yield* startEmulator()
    const compute = yield* startCompute({
      emulator,
      spec: { cluster: { roles: [role("alice")], databases: [database("app", "alice")] } }
    })
    yield* compute.waitFor("running")
    const url = `http://localhost:${compute.ports.external}`

    const applied = yield* compute.http({ path: "/apply" })
    const report = JSON.parse(applied.body)
    assert.deepStrictEqual([applied.status, report.trigger, report.state], [200, "start", "done"])
    assert.notInclude(applied.body, "SCRAM-SHA-256$")
    assert.strictEqual((yield* compute.http({ path: "/apply", token: null })).status, 400)
    assert.strictEqual((yield* compute.http({ path: "/plan", token: null })).status, 400)

    const nothing = yield* plan("--url", url)
    assert.deepStrictEqual([nothing.code, nothing.stdout], [0, "nothing to do\n"], nothing.log)
    const wanted = merge(compute.spec, {
      cluster: { databases: [database("app", "alice"), database("more", "alice")] }
    })
    const file = path.join(compute.dir, "wanted.json")
    fs.writeFileSync(file, JSON.stringify(makeConfig(wanted)))
    const pending = yield* plan("--url", url, "--config", file)
    assert.strictEqual(pending.code, 2, pending.log)
    assert.match(pending.stdout, /CREATE DATABASE "more"/)
    assert.strictEqual((yield* plan("--url", url, "--token", "x")).code, 1)

    assert.strictEqual((yield* compute.configure(wanted)).status, 200)
    assert.strictEqual((yield* compute.configure(wanted)).status, 200)
    const again = JSON.parse((yield* compute.http({ path: "/apply" })).body)
    assert.deepStrictEqual([again.trigger, again.phases, again.databases_settled], ["reconfigure", [], 2])

    const failing = merge(wanted, { cluster: { databases: [database("orphan", "ghost"), database("fine", "alice")] } })
    const failed = yield* compute.configure(failing)
    assert.strictEqual(failed.status, 500)
    assert.match(
      JSON.parse(failed.body).error,
      /^compute configuration failed: "db error: ERROR: role \\"ghost\\" does not exist/
    )
    assert.match(failed.body, /42704/)
    const steps: ReadonlyArray<{ object: string; state: string }> = JSON.parse(
      (yield* compute.http({ path: "/apply" })).body
    ).phases.flatMap((phase: { steps: ReadonlyArray<object> }) => phase.steps)
    const state = (object: string) => steps.find((step) => step.object === object)?.state
    assert.deepStrictEqual([state('database "orphan"'), state('database "fine"')], ["failed", "done"])
    yield* compute.waitForLog(/catalog: database "orphan": db error: ERROR: role "ghost" does not exist/)
    assert.notMatch(compute.log(), /SCRAM-SHA-256\$/)
  })
)

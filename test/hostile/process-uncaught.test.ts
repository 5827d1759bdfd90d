/**
 * Errors that reach nobody. The program's modules run on the pinned Node with a preload that throws when a signal says so;
 * the executable takes none.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Compute, startCompute } from "../rig/compute.ts"
import { startEmulator } from "../rig/emulator.ts"
import { root, tempDir } from "../rig/postgres.ts"

const LIMIT = 300_000

const preload = `
const throwing = (name, message) => { throw Object.assign(new TypeError(message), { name }) }
process.on("SIGUSR2", () => setImmediate(() => throwing("Thrown", "by an event handler")))
process.on("SIGALRM", () => void Promise.resolve().then(() => throwing("Rejected", "and awaited by nobody")))
process.on("SIGPROF", () => setImmediate(() => { throw "not even an error" }))
`

const start = Effect.gen(function* () {
  const file = path.join(yield* tempDir("preload-"), "preload.cjs")
  fs.writeFileSync(file, preload)
  const program = [process.execPath, "--require", file, path.join(root, "dist/compute_ctl.cjs")]
  const compute = yield* startCompute({ emulator: yield* startEmulator(), program })
  yield* compute.waitFor("running")
  return compute
})

const backendOf = (compute: Compute) =>
  Effect.gen(function* () {
    yield* Effect.forkScoped(Effect.exit(compute.sql("/* held */ SELECT pg_sleep(600)")))
    const find = compute.sql("SELECT pid FROM pg_stat_activity WHERE query LIKE '/* held */%'")
    const pid = yield* Effect.repeat(Effect.delay(find, 20), { until: (text) => /^\d+$/.test(text) })
    return Number(pid)
  })

describe("an error that nobody caught", () => {
  for (const [signal, said] of [
    ["SIGUSR2", /ERROR an error that nobody caught: Thrown: by an event handler.*at throwing .*preload\.cjs/],
    ["SIGALRM", /ERROR a promise that nobody awaited failed: Rejected: and awaited by nobody.*at throwing .*preload/],
    ["SIGPROF", /ERROR an error that nobody caught: not even an error/]
  ] as const) {
    it.live(
      `stops Postgres in order, and is told with its stack: ${signal}`,
      () =>
        Effect.gen(function* () {
          const compute = yield* start
          compute.signal(signal)
          assert.deepStrictEqual(yield* compute.ended, { code: 1, signal: null })
          assert.match(compute.log(), said)
          assert.match(compute.log(), /PG:.*database system is shut down/)
          assert.deepStrictEqual(yield* compute.processes, [])
        }),
      LIMIT
    )
  }

  it.live(
    "is counted, also when more of them come while Postgres stops",
    () =>
      Effect.gen(function* () {
        const compute = yield* start
        const held = yield* backendOf(compute)
        process.kill(held, "SIGSTOP")
        compute.signal("SIGUSR2")
        yield* compute.waitForLog("received fast shutdown request")
        compute.signal("SIGUSR2")
        compute.signal("SIGALRM")
        yield* compute.waitForLog("awaited by nobody")
        const { body } = yield* compute.http({ path: "/metrics", token: null })
        assert.match(body, /^compute_ctl_uncaught_errors_total 3$/m)
        process.kill(held, "SIGCONT")
        assert.strictEqual((yield* compute.ended).code, 1)
        assert.match(compute.log(), /PG:.*database system is shut down/)
        assert.deepStrictEqual(yield* compute.processes, [])
      }),
    LIMIT
  )
})

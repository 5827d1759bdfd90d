import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { startCompute } from "../rig/compute.ts"
import { startEmulator, startFakeEmulator } from "../rig/emulator.ts"
import { LIMIT } from "../rig/waits.ts"

const running = Effect.gen(function* () {
  const emulator = yield* startEmulator()
  const compute = yield* startCompute({ emulator })
  yield* compute.waitFor("running")
  return { emulator, compute }
})

const postmasterOf = (pgdata: string) =>
  Number(fs.readFileSync(path.join(pgdata, "postmaster.pid"), "utf8").split("\n")[0])

describe("a stop", () => {
  it.live(
    "by SIGTERM lets Postgres write its shutdown checkpoint, then exits 1",
    () =>
      Effect.gen(function* () {
        const { compute } = yield* running
        compute.signal("SIGTERM")
        assert.strictEqual((yield* compute.ended).code, 1)
        assert.match(compute.log(), /PG:.*received fast shutdown request/)
        assert.match(compute.log(), /PG:.*database system is shut down/)
        assert.deepStrictEqual(yield* compute.processes, [])
      }),
    LIMIT
  )

  it.live(
    "by SIGQUIT is immediate, exits 1 and leaves nobody",
    () =>
      Effect.gen(function* () {
        const { compute } = yield* running
        compute.signal("SIGQUIT")
        assert.strictEqual((yield* compute.ended).code, 1)
        assert.match(compute.log(), /PG:.*received immediate shutdown request/)
        assert.deepStrictEqual(yield* compute.processes, [])
      }),
    LIMIT
  )

  it.live(
    "when Postgres is killed syncs the safekeepers and exits 1",
    () =>
      Effect.gen(function* () {
        const { compute } = yield* running
        process.kill(postmasterOf(compute.pgdata), "SIGKILL")
        assert.strictEqual((yield* compute.ended).code, 1)
        assert.include(compute.log(), "syncing safekeepers on shutdown")
      }),
    LIMIT
  )

  it.live(
    "when Postgres ends by itself returns its exit code",
    () =>
      Effect.gen(function* () {
        const { compute } = yield* running
        process.kill(postmasterOf(compute.pgdata), "SIGINT")
        assert.strictEqual((yield* compute.ended).code, 0)
      }),
    LIMIT
  )

  it.live(
    "during the start leaves nobody, at whatever moment it comes",
    () =>
      Effect.forEach([0, 30, 60, 90, 120, 180, 250], (delay) =>
        Effect.scoped(
          Effect.gen(function* () {
            const emulator = yield* startFakeEmulator()
            const compute = yield* startCompute({ emulator })
            yield* Effect.sleep(delay)
            compute.signal("SIGTERM")
            const { code, signal } = yield* compute.ended
            // Before its handlers are there the signal's default applies.
            const unheard = signal === "SIGTERM" && compute.log() === ""
            assert.isTrue(code === 1 || unheard, `${delay} ms: ${code} ${signal}`)
            assert.deepStrictEqual(yield* compute.processes, [])
          })
        )
      ),
    LIMIT
  )

  it.live(
    "with safekeepers that are gone is answered all the same",
    () =>
      Effect.gen(function* () {
        const { emulator, compute } = yield* running
        emulator.world.faults = [{ peer: "safekeeper", action: { do: "refuse" } }]
        const answer = yield* compute.http({ method: "POST", path: "/terminate?mode=immediate" })
        assert.deepStrictEqual([answer.status, answer.body], [200, '{"lsn":null}'])
        assert.strictEqual((yield* compute.ended).code, 0)
      }),
    LIMIT
  )

  it.live(
    "asked for twice gives the same answer the second time",
    () =>
      Effect.gen(function* () {
        const { compute } = yield* running
        const first = yield* compute.http({ method: "POST", path: "/terminate" })
        const second = yield* compute.http({ method: "POST", path: "/terminate" })
        assert.deepStrictEqual([first.status, second.status], [200, 201])
        assert.strictEqual(first.body, second.body)
        compute.signal("SIGTERM")
        yield* compute.ended
      }),
    LIMIT
  )
})

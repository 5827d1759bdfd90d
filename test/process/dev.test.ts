/**
 * `npm start`: a whole compute that a Ctrl-C ends.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { type Running, runProgram } from "../rig/compute.ts"
import { pgbin } from "../rig/postgres.ts"
import { processesOf } from "../rig/processes.ts"

const said = (running: Running, text: RegExp) =>
  Effect.suspend(() => {
    const found = text.exec(running.log())
    return found === null ? Effect.fail(`never said ${text}:\n${running.log().slice(-4000)}`) : Effect.succeed(found)
  }).pipe(Effect.retry(Schedule.max([Schedule.spaced("20 millis"), Schedule.recurs(2000)])))

describe("compute_ctl dev", () => {
  it.live("says how to connect; one signal ends everything in order, with success", () =>
    Effect.gen(function* () {
      const running = yield* runProgram(["dev", "--pgbin", pgbin])
      const [, url = ""] = yield* said(running, /psql (postgresql:\/\/cloud_admin@127\.0\.0\.1:\d+\/postgres)/)
      const [, folder = ""] = yield* said(running, /((?:\/[\w.+-]+)+\/emulator-\w+)/)
      assert.isNotEmpty(yield* processesOf(folder), url)
      running.signal("SIGINT")
      // What npm passes on of the same Ctrl-C is not the second, impatient one.
      running.signal("SIGINT")
      assert.deepStrictEqual(yield* running.ended, { code: 0, signal: null })
      assert.match(running.log(), /database system is shut down/)
      assert.notMatch(running.log(), /immediate shutdown request/)
      assert.deepStrictEqual(yield* processesOf(folder), [])
    })
  )

  it.live("is left as easily before it is up", () =>
    Effect.gen(function* () {
      const running = yield* runProgram(["dev", "--pgbin", pgbin])
      yield* Effect.sleep("400 millis")
      running.signal("SIGTERM")
      assert.deepStrictEqual(yield* running.ended, { code: 0, signal: null })
    })
  )
})

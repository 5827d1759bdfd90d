/**
 * Who is ended when memory runs out: backends before the postmaster and the supervisor.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { startCompute } from "../rig/compute.ts"
import { startEmulator } from "../rig/emulator.ts"

const LIMIT = 300_000

const scoreOf = (pid: number) => Number(fs.readFileSync(`/proc/${pid}/oom_score_adj`, "utf8"))

const own = scoreOf(process.pid)

/** Whether a process of ours may lower the number: root in a container may not. */
const mayLower = (() => {
  try {
    fs.writeFileSync("/proc/self/oom_score_adj", String(own - 1))
    fs.writeFileSync("/proc/self/oom_score_adj", String(own))
    return true
  } catch {
    return false
  }
})()

describe("when memory runs out", () => {
  for (const ordinary of [false, true]) {
    it.live(
      `backends and helpers are ended before the postmaster and us${ordinary ? ", as an ordinary user" : ""}`,
      () =>
        Effect.gen(function* () {
          const compute = yield* startCompute({ emulator: yield* startEmulator(), ordinary })
          yield* compute.waitFor("running")
          const postmaster = Number(fs.readFileSync(path.join(compute.pgdata, "postmaster.pid"), "utf8").split("\n")[0])
          const lowered = mayLower && !(ordinary && process.getuid?.() === 0)
          const late = lowered ? -900 : own
          const early = lowered ? own : Math.min(1000, own + 200)
          assert.deepStrictEqual([scoreOf(compute.pid), scoreOf(postmaster)], [late, late])
          const backend = yield* compute.sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'")
          assert.strictEqual(scoreOf(Number(backend)), early)
          assert.strictEqual(
            (yield* compute.sql(
              "CREATE TEMP TABLE t (x text); COPY t FROM PROGRAM 'cat /proc/self/oom_score_adj'; SELECT x FROM t"
            ))
              .split("\n")
              .at(-1),
            String(early)
          )
          compute.signal("SIGTERM")
          assert.strictEqual((yield* compute.ended).code, 1)
        }),
      LIMIT
    )
  }
})

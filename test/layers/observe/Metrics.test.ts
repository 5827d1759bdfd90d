import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as TestClock from "effect/testing/TestClock"
import * as Families from "../../../src/domain/observe/MetricFamilies.ts"
import { Metrics, timed } from "../../../src/layers/observe/Metrics.ts"
import { parseExposition } from "../../rig/strictExposition.ts"

const scrape = Effect.flatMap(Metrics, (metrics) => Effect.map(metrics.render, parseExposition))

describe("Metrics", () => {
  it.effect("shows what has no labels as 0 from the first scrape, and nothing that has", () =>
    Effect.gen(function* () {
      const originals = (yield* scrape).slice(0, 9)
      assert.deepStrictEqual(
        originals.map(({ name, samples }) => [name, samples[0]?.value]),
        [
          ["compute_audit_log_dir_size", 0],
          ["compute_pg_current_downtime_ms", 0],
          ["compute_pg_downtime_ms_total", 0],
          ["compute_ctl_lfc_prewarms_total", 0],
          ["compute_ctl_lfc_prewarm_errors_total", 0],
          ["compute_ctl_lfc_offloads_total", 0],
          ["compute_ctl_lfc_offload_errors_total", 0],
          ["pg_cctl_pagestream_request_errors_total", 0],
          ["pg_cctl_configure_statement_timeout_errors_total", 0]
        ]
      )
    }).pipe(Effect.provide(Metrics.layer))
  )

  it.effect("counts the control plane's answers apart", () =>
    Effect.gen(function* () {
      const metrics = yield* Metrics
      for (const http_status of ["503 Service Unavailable", "503 Service Unavailable", "200 OK"]) {
        yield* metrics.increment(Families.cplaneRequests, { rpc: "GetConfig", http_status })
      }
      const text = yield* metrics.render
      assert.include(text, 'total{http_status="503 Service Unavailable",rpc="GetConfig"} 2\n')
      assert.include(text, 'total{http_status="200 OK",rpc="GetConfig"} 1\n')
    }).pipe(Effect.provide(Metrics.layer))
  )

  it.effect("asks a gauge at each scrape, for as long as its scope is open", () =>
    Effect.gen(function* () {
      const metrics = yield* Metrics
      let status = "init"
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* metrics.gauge(
            Families.computeCtlUp,
            Effect.sync(() => [{ labels: { build_tag: "b1", status }, value: 1 }])
          )
          assert.include(yield* metrics.render, 'compute_ctl_up{build_tag="b1",status="init"} 1\n')
          status = "running"
          assert.include(yield* metrics.render, 'compute_ctl_up{build_tag="b1",status="running"} 1\n')
          assert.notInclude(yield* metrics.render, '"init"')
        })
      )
      assert.notInclude(yield* metrics.render, "compute_ctl_up")
    }).pipe(Effect.provide(Metrics.layer))
  )

  it.effect("shows what changed, and in what a gauge gave before, at the next scrape", () =>
    Effect.gen(function* () {
      const metrics = yield* Metrics
      const seen = (text: string) => Effect.map(metrics.render, (all) => all.includes(text))
      const samples = [{ labels: { wait: "a" }, value: 1 }]
      yield* metrics.gauge(
        Families.waitingSeconds,
        Effect.sync(() => samples)
      )
      assert.isTrue(yield* seen('waiting_seconds{wait="a"} 1\n'))
      samples[0] = { labels: { wait: "a" }, value: 2 }
      assert.isTrue(yield* seen('waiting_seconds{wait="a"} 2\n'))
      Object.assign(samples[0], { value: 3 })
      assert.isTrue(yield* seen('waiting_seconds{wait="a"} 3\n'))
      Object.assign(samples[0].labels, { wait: "b" })
      assert.isTrue(yield* seen('waiting_seconds{wait="b"} 3\n'))
      yield* metrics.set(Families.waitingSeconds, { wait: "c" }, 4)
      assert.isTrue(yield* seen('waiting_seconds{wait="c"} 4\n'))
      samples.pop()
      assert.isFalse(yield* seen('wait="b"'))
      yield* metrics.set(Families.waitingSeconds, { wait: "c" }, 5)
      assert.isTrue(yield* seen('waiting_seconds{wait="c"} 5\n'))
    }).pipe(Effect.scoped, Effect.provide(Metrics.layer))
  )

  it.effect("loses a broken gauge and nothing else", () =>
    Effect.gen(function* () {
      const metrics = yield* Metrics
      yield* metrics.gauge(Families.auditLogDirSize, Effect.die("broken"))
      assert.include(yield* metrics.render, "compute_pg_downtime_ms_total 0\n")
    }).pipe(Effect.scoped, Effect.provide(Metrics.layer))
  )

  it.effect("tells of a step its last duration and outcome, and nothing of those before", () =>
    Effect.gen(function* () {
      const shown = Effect.map(scrape, (families) =>
        families
          .find(({ name }) => name === "compute_ctl_step_seconds")
          ?.samples.map(({ labels, value }) => [labels["step"], labels["outcome"], value])
      )
      const took = (step: Effect.Effect<unknown, string, Metrics>) =>
        Effect.gen(function* () {
          const fiber = yield* Effect.forkChild(Effect.exit(step))
          yield* TestClock.adjust("2 seconds")
          yield* Fiber.interrupt(fiber)
        })
      yield* took(Effect.andThen(timed("basebackup")(Effect.sleep("2 seconds")), timed("reconfigure")(Effect.void)))
      assert.deepStrictEqual(yield* shown, [
        ["basebackup", "ok", 2],
        ["reconfigure", "ok", 0]
      ])
      yield* took(timed("basebackup")(Effect.fail("no")))
      assert.deepStrictEqual((yield* shown)?.[0], ["basebackup", "failed", 0])
      yield* took(timed("basebackup")(Effect.never))
      assert.deepStrictEqual(yield* shown, [
        ["basebackup", "interrupted", 2],
        ["reconfigure", "ok", 0]
      ])
    }).pipe(Effect.provide(Metrics.layer))
  )

  it.effect("writes nothing anew that nobody changed", () =>
    Effect.gen(function* () {
      const metrics = yield* Metrics
      yield* metrics.observe(
        Families.httpRequestSeconds,
        { code: "200", method: "GET", route: "/a", server: "external" },
        1
      )
      const before = yield* metrics.render
      assert.strictEqual(yield* metrics.render, before)
      yield* metrics.observe(
        Families.httpRequestSeconds,
        { code: "200", method: "GET", route: "/a", server: "external" },
        1
      )
      assert.include(yield* metrics.render, 'seconds_count{code="200",method="GET",route="/a",server="external"} 2\n')
    }).pipe(Effect.provide(Metrics.layer))
  )
})

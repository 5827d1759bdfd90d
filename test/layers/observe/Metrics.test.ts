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

  it.effect("loses a broken gauge and nothing else", () =>
    Effect.gen(function* () {
      const metrics = yield* Metrics
      yield* metrics.gauge(Families.auditLogDirSize, Effect.die("broken"))
      assert.include(yield* metrics.render, "compute_pg_downtime_ms_total 0\n")
    }).pipe(Effect.scoped, Effect.provide(Metrics.layer))
  )

  it.effect("times an effect by its outcome", () =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(
        Effect.all([
          timed(Families.basebackupSeconds)(Effect.sleep("2 seconds")),
          Effect.flip(timed(Families.basebackupSeconds)(Effect.fail("no")))
        ])
      )
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(fiber)
      const family = (yield* scrape).find(({ name }) => name === "compute_ctl_basebackup_seconds")
      const sums = family?.samples.filter(({ name }) => name.endsWith("_sum"))
      assert.deepStrictEqual(
        sums?.map(({ labels, value }) => [labels["outcome"], value]),
        [
          ["failure", 0],
          ["success", 2]
        ]
      )
    }).pipe(Effect.provide(Metrics.layer))
  )
})

/** For each alert the case that must fire and the one that must not. */
import { readFileSync } from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import { complaints, hasPromtool, RULES, type Scenario, type Series } from "./promtool.ts"

const ID = 'instance="c1:3080",job="compute"'
const named = (metric: string, labels = "") => `${metric}{${ID}${labels === "" ? "" : `,${labels}`}}`
const status = (is: string) => named("compute_ctl_up", `build_tag="b1",status="${is}"`)
const step = (is: string) => named("compute_ctl_step_seconds", `outcome="ok",step="${is}"`)
const started = named("process_start_time_seconds")
const up = named("up")
const repeated = (values: string, times: number) => Array.from({ length: times }, () => values).join(" ")

interface Case {
  readonly name: string
  readonly series: Series
  /** When it is looked whether the alert fires. */
  readonly at: ReadonlyArray<string>
}

interface Alert {
  readonly fires: ReadonlyArray<Case>
  readonly silent: ReadonlyArray<Case>
}

const one = (name: string, at: string, series: Series): ReadonlyArray<Case> => [{ name, series, at: [at] }]

/** Four minutes of work, then an end that was asked for: its status stays to be seen for half a minute. */
const terminated = (afterwards: string): Series => ({
  [up]: `1x19 ${afterwards}`,
  [status("running")]: "1x15 stale",
  [status("termination-pending-fast")]: "_x16 1 stale",
  [status("terminated")]: "_x17 1 1 1 stale",
  [started]: "100x19 stale",
  [step("final sync")]: "_x17 25x2 stale"
})

/** A compute that ends and comes back each five minutes, as one that nobody uses. */
const suspended: Series = {
  [up]: repeated("1x11 0x7", 6),
  [status("running")]: repeated("1x8 stale _x10", 6),
  [status("terminated")]: repeated("_x9 1 1 stale _x8", 6),
  [started]: [0, 1, 2, 3, 4, 5].map((life) => `${life * 300}x10 stale _x8`).join(" ")
}

/** Forty minutes of starts that fail: two scrapes of `failed`, then the process has ended, and two scrapes find nobody. */
const crashLoop: Series = {
  [up]: repeated("1 1 1 0 0", 32),
  [status("init")]: repeated("1 stale _ _ _", 32),
  [status("failed")]: repeated("_ 1 1 stale _", 32),
  [started]: Array.from({ length: 32 }, (_, life) => `${life * 75}x2 stale _`).join(" ")
}

const alerts: Readonly<Record<string, Alert>> = {
  ComputeFailed: {
    fires: [
      ...one("a failure that was seen once", "3m", {
        [status("init")]: "1x3 stale",
        [status("failed")]: "_x4 1 1 stale"
      }),
      { name: "a crash loop of 40 minutes", at: ["1m", "5m", "20m", "39m"], series: crashLoop }
    ],
    silent: one("a running compute", "3m", { [status("running")]: "1x20" })
  },
  ComputeDown: {
    fires: [
      ...one("a target that is gone for 15 minutes", "17m", {
        [named("up").replace('"compute"', '"pods"')]: "1x8 0x80",
        [status("running").replace('"compute"', '"pods"')]: "1x8 stale"
      }),
      ...one("a target that never answered", "10m", { [up]: "0x60" })
    ],
    silent: [
      ...one("a short break", "10m", { [up]: "1x8 0x6 1x60", [status("running")]: "1x8 stale _x6 1x60" }),
      ...one("somebody else's target", "10m", { 'up{instance="n1:9100",job="node"}': "0x60" })
    ]
  },
  ComputeRestarting: {
    fires: [
      ...one("a restart every minute", "40m", {
        [up]: "1x200",
        [status("running")]: "1x200",
        [started]: Array.from({ length: 45 }, (_, life) => `${life * 60}x3`).join(" ")
      }),
      { name: "a crash loop of 40 minutes", at: ["10m", "39m"], series: crashLoop }
    ],
    silent: [
      ...one("one restart", "20m", { [up]: "1x100", [status("running")]: "1x100", [started]: "5x30 500x70" }),
      ...one("a compute that is suspended and resumed", "28m", suspended)
    ]
  },
  ComputeStuck: {
    fires: one("a flip between two passing statuses", "14m", {
      [status("refresh-configuration")]: repeated("1 1 stale _", 20),
      [status("refresh-configuration-pending")]: repeated("stale _ 1 1", 20)
    }),
    silent: one("reconfigurations of a minute each", "14m", {
      [status("running")]: repeated("1 1 1 1 stale _ _ _", 10),
      [status("configuration")]: repeated("_ _ _ _ 1 1 1 stale", 10)
    })
  },
  ComputeStatusFlapping: {
    fires: one("a change every quarter of a minute", "16m", {
      [named("compute_ctl_status_changes_total", 'to="running"')]: "1+1x80"
    }),
    silent: one("some reconfigurations", "16m", {
      [named("compute_ctl_status_changes_total", 'to="running"')]: "1x20 2x20 3x20"
    })
  },
  ComputePostgresDown: {
    fires: one("a minute and a half", "4m", { [named("compute_pg_current_downtime_ms")]: "0x4 15000+15000x20" }),
    silent: one("a restart of it", "4m", { [named("compute_pg_current_downtime_ms")]: "0x4 15000 30000 0x20" })
  },
  ComputeStartSlow: {
    fires: one("a basebackup of 12 seconds", "1m", { [step("basebackup")]: "12x200" }),
    silent: [
      { name: "the same half an hour later", at: ["35m"], series: { [step("basebackup")]: "12x200" } },
      ...one("one of 2 seconds", "1m", { [step("basebackup")]: "2x20" })
    ]
  },
  ComputeSyncSlow: {
    fires: one("a sync of 21 seconds", "1m", { [step("sync safekeepers")]: "21x20" }),
    silent: one("one of 40 ms", "1m", { [step("sync safekeepers")]: "0.04x20" })
  },
  ComputeControlPlaneUnreachable: {
    fires: one("all tries of a start, counted before the first scrape", "2m", {
      [named("compute_ctl_cplane_requests_total", 'http_status="503 Service Unavailable",rpc="GetConfig"')]: "_x2 5x40"
    }),
    silent: one("one of them", "2m", {
      [named("compute_ctl_cplane_requests_total", 'http_status="503 Service Unavailable",rpc="GetConfig"')]: "_x2 1x40",
      [named("compute_ctl_cplane_requests_total", 'http_status="200 OK",rpc="GetConfig"')]: "_x2 7x40"
    })
  },
  ComputeRefusedSettings: {
    fires: one("a refused setting", "7m", { [named("compute_ctl_refused_settings")]: "0x2 1x40" }),
    silent: one("one that was put right", "7m", { [named("compute_ctl_refused_settings")]: "0x2 1x8 0x40" })
  },
  ComputeDatabasesFailed: {
    fires: one("a database that stays shut", "12m", { [named("compute_ctl_failed_databases")]: "2x60" }),
    silent: one("one that the next apply could work in", "12m", {
      [named("compute_ctl_failed_databases")]: "2x8 0x60"
    })
  },
  ComputeMigrationFailed: {
    fires: one("a migration", "1m", { [named("compute_ctl_db_migration_failed_total", 'migration_id="3"')]: "1x20" }),
    silent: one("none", "1m", { [status("running")]: "1x20" })
  },
  ComputeRemoteExtensionsFailing: {
    fires: one("a download that failed at the start", "1m", {
      [named("compute_ctl_remote_ext_requests_total", 'filename="anon.tar.zst",http_status="404 Not Found"')]: "1x20"
    }),
    silent: one("one that did not", "1m", {
      [named("compute_ctl_remote_ext_requests_total", 'filename="anon.tar.zst",http_status="200 OK"')]: "1x20"
    })
  },
  ComputePageserverTrouble: {
    fires: one("requests all the time", "9m", { [named("pg_cctl_pagestream_request_errors_total")]: "0+1x60" }),
    silent: one("one", "9m", { [named("pg_cctl_pagestream_request_errors_total")]: "0x4 1x60" })
  },
  ComputeLfcErrors: {
    fires: [
      ...one("the prewarm of a start", "2m", {
        [named("compute_ctl_lfc_prewarm_errors_total")]: "1x20",
        [named("compute_ctl_lfc_offload_errors_total")]: "0x20",
        [started]: "0x20"
      }),
      ...one("offloads, one after the other", "59m", {
        [named("compute_ctl_lfc_prewarm_errors_total")]: "0x240",
        [named("compute_ctl_lfc_offload_errors_total")]: "0x40 1x20 2x20 3x20 4x20 5x100",
        [started]: "0x240"
      })
    ],
    silent: one("one offload", "20m", {
      [named("compute_ctl_lfc_prewarm_errors_total")]: "0x100",
      [named("compute_ctl_lfc_offload_errors_total")]: "0x20 1x100",
      [started]: "0x100"
    })
  },
  ComputeNeighbourNotConfigured: {
    fires: one("a neighbour that could not be told at the start", "2m", {
      [named("compute_ctl_neighbour_configured", 'neighbour="pgbouncer"')]: "0x20"
    }),
    silent: one("one that was told", "2m", {
      [named("compute_ctl_neighbour_configured", 'neighbour="pgbouncer"')]: "0 0 1x20"
    })
  },
  ComputeServiceDown: {
    fires: one("a service", "7m", { [named("compute_ctl_service_up", 'service="monitor"')]: "0x60" }),
    silent: one("one that comes back", "7m", { [named("compute_ctl_service_up", 'service="monitor"')]: "0x4 1x60" })
  },
  ComputeServiceFlapping: {
    fires: one("a restart every minute, the first of them uncounted before", "10m", {
      [named("compute_ctl_service_restarts_total", 'service="monitor"')]: "_x3 7x3 8x60"
    }),
    silent: one("two", "10m", { [named("compute_ctl_service_restarts_total", 'service="monitor"')]: "_x3 1x3 2x60" })
  },
  ComputeWaitsExpire: {
    fires: one("three", "10m", { [named("compute_ctl_waits_expired_total", 'wait="LSN lease"')]: "_x3 1x3 3x60" }),
    silent: one("one", "10m", { [named("compute_ctl_waits_expired_total", 'wait="LSN lease"')]: "_x3 1x60" })
  },
  ComputeLsnLeaseEnding: {
    fires: one("a lease that nobody renews", "4m50s", {
      [named("compute_ctl_lsn_lease_expiry_timestamp_seconds")]: "300x40",
      [status("running")]: "1x40"
    }),
    silent: [
      ...one("one that is renewed", "4m50s", {
        [named("compute_ctl_lsn_lease_expiry_timestamp_seconds")]: "300x8 600x40",
        [status("running")]: "1x40"
      }),
      ...one("that of a compute that ends", "4m50s", {
        [named("compute_ctl_lsn_lease_expiry_timestamp_seconds")]: "300x40",
        [status("terminated")]: "1x40"
      })
    ]
  },
  ComputeLogLinesLost: {
    fires: one("lines", "3m", { [named("compute_ctl_log_lines_dropped_total")]: "0x4 9x40" }),
    silent: one("lines of long ago", "9m", { [named("compute_ctl_log_lines_dropped_total")]: "0x4 9x60" })
  },
  ComputeUncaughtError: {
    fires: one("an error with which the process ends", "2m", {
      [named("compute_ctl_uncaught_errors_total")]: "0x3 1 stale"
    }),
    silent: one("none", "2m", { [named("compute_ctl_uncaught_errors_total")]: "0x20" })
  },
  ComputeConnectionsClosed: {
    fires: one("many", "9m", {
      [named("compute_ctl_http_connections_closed_total", 'reason="crowded",server="external"')]: "0+30x60"
    }),
    silent: one("some", "9m", {
      [named("compute_ctl_http_connections_closed_total", 'reason="crowded",server="external"')]: "0x4 30x60"
    })
  },
  ComputeDescriptorsExhausted: {
    fires: one("a shortage", "3m", { [named("compute_ctl_descriptor_shortages_total")]: "0x4 1x40" }),
    silent: one("none", "3m", { [named("compute_ctl_descriptor_shortages_total")]: "0x40" })
  }
}

const firing = (alert: string) => `count by (instance) (ALERTS{alertname="${alert}",alertstate="firing"})`

const scenarios = (alert: string, cases: ReadonlyArray<Case>, fires: boolean): ReadonlyArray<Scenario> =>
  cases.map(({ name, series, at }) => ({
    name: `${alert}: ${name}`,
    series,
    questions: at.map((at) => ({
      expr: firing(alert),
      at,
      // That it is of this compute, the label says.
      found: fires ? [['{instance="c1:3080"}', 1] as const] : []
    }))
  }))

describe("alerts", () => {
  const written = [...readFileSync(RULES, "utf8").matchAll(/^\s+- alert: (.*)$/gm)].map(([, name = ""]) => name)

  it("are all tried", () => {
    assert.deepStrictEqual(Object.keys(alerts).toSorted(), written.toSorted())
  })

  it.skipIf(!hasPromtool)("fire in the case that they are for, and name the compute", () => {
    assert.strictEqual(
      complaints(Object.entries(alerts).flatMap(([name, { fires }]) => scenarios(name, fires, true))),
      ""
    )
  })

  it.skipIf(!hasPromtool)("do not fire in the case that looks like it", () => {
    assert.strictEqual(
      complaints(Object.entries(alerts).flatMap(([name, { silent }]) => scenarios(name, silent, false))),
      ""
    )
  })

  it.skipIf(!hasPromtool)("say nothing of a compute that was asked to end, whether it stays a target or not", () => {
    const silent = (name: string, series: Series): Scenario => ({
      name,
      series,
      questions: ["1m", "4m15s", "5m", "6m", "12m", "70m"].map((at) => ({
        expr: 'ALERTS{alertstate="firing"}',
        at,
        found: []
      }))
    })
    assert.strictEqual(
      complaints([silent("listed", terminated("0x300")), silent("not listed", terminated("stale"))]),
      ""
    )
  })
})

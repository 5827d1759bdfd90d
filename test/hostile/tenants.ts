/**
 * Computes with tenants in them, and what an operator sees of their databases.
 */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import pg from "pg"
import type { ApplyReport, StepReport } from "../../src/domain/catalog/Report.ts"
import type { Emulator } from "../../src/emulator/Emulator.ts"
import type { Compute } from "../rig/compute.ts"
import { startEmulator } from "../rig/emulator.ts"
import type { SpecJson } from "../rig/spec.ts"

/** The emulator with the extension that a lakebase image has. */
export const lakebaseEmulator = Effect.tap(startEmulator(), ({ distribution }: Emulator) =>
  Effect.sync(() => {
    const share = execFileSync(path.join(distribution.realBin, "pg_config"), ["--sharedir"], { encoding: "utf8" })
    const file = (name: string) => path.join(share.trim(), "extension", name)
    fs.writeFileSync(file("databricks_auth.control"), "default_version = '1.0'\nrelocatable = true\n")
    fs.writeFileSync(file("databricks_auth--1.0.sql"), "create view databricks_auth_metrics as select 1 as n;")
  })
)

export const lastApply = (compute: Compute): Effect.Effect<ApplyReport, unknown> =>
  Effect.map(compute.http({ path: "/apply" }), ({ body }) => JSON.parse(body))

export const stepsOf = (report: ApplyReport): ReadonlyArray<StepReport> => report.phases.flatMap(({ steps }) => steps)

export const statusDetail = (compute: Compute): Effect.Effect<SpecJson, unknown> =>
  Effect.map(compute.http({ path: "/status/detail" }), ({ body }) => JSON.parse(body))

export const failedDatabases = (compute: Compute) =>
  Effect.map(compute.http({ path: "/metrics" }), ({ body }) =>
    Number(/^compute_ctl_failed_databases (\d+)$/m.exec(body)?.[1])
  )

/** A tenant's session; null when the server has none for him. */
export const tenant = (
  compute: Compute,
  options: {
    readonly user?: string
    readonly database?: string
    readonly application?: string
    readonly replication?: string
  } = {}
): Effect.Effect<pg.Client | null, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const { user = "alice", database = "app", application = "of a tenant", replication } = options
      const client = new pg.Client({
        host: "127.0.0.1",
        port: compute.ports.postgres,
        user,
        database,
        application_name: application,
        ...(replication !== undefined && { replication })
      })
      client.on("error", () => {})
      return client.connect().then(
        () => client,
        () => null
      )
    }),
    (client) => Effect.promise(() => Promise.race([client?.end(), new Promise((resolve) => setTimeout(resolve, 1000))]))
  )

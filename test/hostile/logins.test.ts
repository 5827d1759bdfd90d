/**
 * A tenant who holds a lock that every login into his database needs.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { database, role } from "../domain/catalog/parts.ts"
import { type Compute, startCompute } from "../rig/compute.ts"
import { startEmulator } from "../rig/emulator.ts"
import { merge } from "../rig/spec.ts"
import { eventually } from "../rig/waits.ts"
import { statusDetail, tenant } from "./tenants.ts"

const LIMIT = 300_000

const cluster = { roles: [role("alice")], databases: [database("app", "alice"), database("other", "alice")] }

/** Backends that have not come so far that the server would list them. */
const waiting = (compute: Compute) =>
  Effect.sync(() => {
    const postmaster = fs.readFileSync(path.join(compute.pgdata, "postmaster.pid"), "utf8").split("\n", 1)[0]
    return fs.readdirSync("/proc").filter((pid) => {
      try {
        const parent = fs.readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ")[1]
        return parent === postmaster && /startup|waiting/.test(fs.readFileSync(`/proc/${pid}/cmdline`, "utf8"))
      } catch {
        return false
      }
    }).length
  })

describe("a lock that logins into a database need", () => {
  it.live(
    "keeps nobody for long, and leaves no backend of ours behind it",
    () =>
      Effect.gen(function* () {
        const compute = yield* startCompute({
          emulator: yield* startEmulator(),
          spec: { skip_pg_catalog_updates: false, cluster }
        })
        yield* compute.waitFor("running")
        const locker = yield* tenant(compute, { database: "other" })
        yield* Effect.promise(async () => {
          await locker?.query("begin")
          await locker?.query("alter database app rename to mine")
        })
        const grant = { database: "app", schema: "public", privileges: ["USAGE"], role: "alice" }
        const post = { server: "internal", method: "POST", token: null, limit: 120_000 } as const
        const wanted = merge(compute.spec, {
          cluster: { databases: [database("app", "alice"), database("new", "alice")] }
        })
        const answers = yield* Effect.all(
          [
            compute.http({ ...post, path: "/grants", body: grant }),
            compute.http({ path: "/database_schema?database=app", limit: 120_000 })
          ],
          { concurrency: "unbounded" }
        )
        for (const { body, status } of answers) assert.strictEqual(status, 500, body)
        yield* eventually("all who wait to be gone", waiting(compute), (count) => count === 0)
        const configured = yield* compute.configure(wanted)
        assert.strictEqual(configured.status, 500, configured.body)
        assert.match(configured.body, /the login waits for a lock that somebody holds on database/)
        // All but that one.
        assert.strictEqual(yield* compute.sql("SELECT 1", { database: "new" }), "1")
        const failed = JSON.stringify((yield* statusDetail(compute))["failed_databases"])
        assert.match(failed, /"app"/)
        assert.notMatch(failed, /"other"/)
        yield* eventually("all who wait to be gone", waiting(compute), (count) => count === 0)
        yield* Effect.promise(async () => locker?.query("rollback"))
        const after = yield* compute.configure(wanted)
        assert.strictEqual(after.status, 200, after.body)
      }),
    LIMIT
  )
})

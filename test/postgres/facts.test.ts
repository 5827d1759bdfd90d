/**
 * What `compute_ctl status --connstr` asks, of each major.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import pg from "pg"
import { plain } from "../../src/cli/terminal/Paint.ts"
import { askPostgres, factLines, replication, settings } from "../../src/cli/verbs/computes/status/postgres.ts"
import { startCluster, template, versions } from "./cluster.ts"

describe.each(versions)("Postgres $major", (server) => {
  it.live("says its version, position and slots, and that it cannot be asked", () =>
    Effect.gen(function* () {
      const { connstr } = yield* startCluster(yield* template(server))
      yield* Effect.promise(async () => {
        const client = new pg.Client({ connectionString: connstr })
        await client.connect()
        await client.query("select pg_create_physical_replication_slot('follower', true)")
        await client.query("alter system set max_connections = 77")
        await client.query("select pg_reload_conf()")
        await client.end()
      })
      // The signal reaches the server, and its sessions after it, in their own time.
      const asked = yield* askPostgres(connstr).pipe(
        Effect.filterOrFail(({ found }) => found?.pending_restart != null),
        Effect.retry({ times: 4000, schedule: Schedule.spaced("20 millis") }),
        Effect.orDie
      )
      const { found } = asked
      if (found === null) return assert.fail(asked.error ?? "")
      assert.match(found.version, /^\d+\.\d+/)
      assert.match(found.lsn ?? "", /^[0-9A-F]+\/[0-9A-F]+$/)
      assert.deepInclude(found, { is_standby: false, wal_timeline: "1", standbys: [], certificate_ends: null })
      assert.strictEqual(found.pending_restart, "max_connections")
      const [slot] = found.slots
      assert.deepInclude(slot, { name: "follower", kind: "physical", active: false, wal: "reserved" })
      assert.isAtLeast(slot?.behind ?? -1, 0)
      const connections = found.settings.find(({ name }) => name === "max_connections")
      assert.strictEqual(connections?.source, "configuration file")
      assert.match(
        settings(found, plain, null)?.lines.join("\n") ?? "",
        /^name +value +where\n(?:.*\n)*max_connections +\d+ +postgresql\S*conf:\d+$/m
      )
      const lines = factLines(asked, plain).join("\n")
      assert.match(
        lines,
        /mode +primary\nLSN +\S+ \(flushed\), WAL timeline 1\nrestart +waits for one: max_connections/
      )
      assert.match(
        replication(found, plain, null)[0]?.lines[0] ?? "",
        /^follower {2}physical {2}inactive {2}.* behind {2}WAL reserved$/
      )
    }).pipe(Effect.scoped)
  )
})

it.live("a Postgres that cannot be asked is named, without the password", () =>
  Effect.gen(function* () {
    const asked = yield* askPostgres("postgresql://cloud_admin:hunter2@127.0.0.1:1/postgres")
    assert.deepInclude(asked, { place: "127.0.0.1:1", found: null })
    assert.match(factLines(asked, plain).join("\n"), /^place +127\.0\.0\.1:1\nasked +.*refused/i)
    assert.notInclude(JSON.stringify(asked), "hunter2")
  })
)

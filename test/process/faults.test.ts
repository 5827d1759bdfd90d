/**
 * The program among peers that fail. Each case has its deadline: what cannot succeed says so in time.
 */
import * as fs from "node:fs"
import { connect, type Socket } from "node:net"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import pg from "pg"
import * as Lsn from "../../src/domain/spec/Lsn.ts"
import type { Emulator } from "../../src/emulator/Emulator.ts"
import type { Fault } from "../../src/emulator/Fault.ts"
import { type ComputeOptions, startCompute } from "../rig/compute.ts"
import { startEmulator, startFakeEmulator } from "../rig/emulator.ts"
import { pageservers } from "../rig/spec.ts"
import { makeKeys, sign } from "../rig/tokens.ts"
import { eventually, LIMIT, until } from "../rig/waits.ts"

const plain = { skip_pg_catalog_updates: true }

const basebackups = (emulator: Emulator) =>
  emulator.world.asked.filter(({ text }) => text.startsWith("basebackup") || text === "GetBaseBackup").length

/** A compute on the fake Postgres, and peers with these faults. */
const among = (faults: ReadonlyArray<Fault>, more: Partial<ComputeOptions> = {}) =>
  Effect.gen(function* () {
    const emulator = yield* startFakeEmulator()
    emulator.world.faults = faults
    const compute = yield* startCompute({ emulator, ...more, spec: { ...plain, ...more.spec } })
    return { emulator, compute }
  })

const overGrpc = (faults: ReadonlyArray<Fault>) =>
  Effect.gen(function* () {
    const emulator = yield* startFakeEmulator()
    emulator.world.faults = faults
    const compute = yield* startCompute({ emulator, spec: { ...plain, ...pageservers(emulator.addresses, "grpc") } })
    return { emulator, compute }
  })

describe("a basebackup", () => {
  it.live(
    "refused for good is asked for once",
    () =>
      Effect.gen(function* () {
        const { emulator, compute: denied } = yield* among([{ peer: "pageserver", action: { do: "denied" } }])
        const failed = yield* denied.waitFor("failed")
        assert.match(String(failed["error"]), /failed to get basebackup@0\/1800000/)
        assert.strictEqual(basebackups(emulator), 1)
        const { compute } = yield* overGrpc([{ peer: "grpc", action: { do: "denied" } }])
        assert.include(String((yield* compute.waitFor("failed"))["error"]), "Permission denied")
      }),
    LIMIT
  )

  it.live(
    "that fails twice in passing comes at the third try, into a clean directory",
    () =>
      Effect.gen(function* () {
        const passing: ReadonlyArray<Fault["action"]> = [
          { do: "error", code: "08006", message: "tenant is not active" },
          { do: "cut", after: 40_000 },
          { do: "corrupt", at: 30_000 },
          { do: "error", code: "57P01", message: "shutdown", after: 60_000 },
          { do: "refuse" }
        ]
        yield* Effect.forEach(
          passing,
          (action) =>
            Effect.scoped(
              Effect.gen(function* () {
                const { emulator, compute } = yield* among([{ peer: "pageserver", times: 2, action }])
                yield* compute.waitFor("running")
                assert.deepStrictEqual(emulator.world.faults, [], action.do)
                assert.isTrue(fs.existsSync(path.join(compute.pgdata, "global/pg_control")))
                const segment = path.join(compute.pgdata, "pg_wal/000000010000000000000001")
                assert.strictEqual(fs.statSync(segment).size, 16 * 1024 * 1024)
              })
            ),
          { concurrency: 2 }
        )
      }),
    LIMIT
  )

  it.live(
    "of a timeline that is attached late comes when it is there",
    () =>
      Effect.gen(function* () {
        const { emulator, compute } = yield* among([{ peer: "pageserver", times: 3, action: { do: "missing" } }])
        yield* compute.waitFor("running")
        assert.deepStrictEqual(emulator.world.faults, [])
        assert.match(compute.log(), /Failed to get basebackup: .*Not found: Timeline .* was not found/)
      }),
    LIMIT
  )

  it.live(
    "over gRPC that fails twice in passing comes at the third try",
    () =>
      Effect.gen(function* () {
        const passing: ReadonlyArray<Fault["action"]> = [
          { do: "error", code: "UNAVAILABLE", message: "shutting down" },
          { do: "error", code: "UNAVAILABLE", message: "shutting down", after: 50_000 },
          { do: "cut", after: 40_000 }
        ]
        for (const action of passing) {
          const { emulator, compute } = yield* overGrpc([{ peer: "grpc", times: 2, action }])
          yield* compute.waitFor("running")
          assert.strictEqual(basebackups(emulator), 3, action.do)
        }
      }),
    LIMIT
  )

  it.live(
    "that never comes is seen in the status, and a signal ends the wait",
    () =>
      Effect.gen(function* () {
        for (const action of [{ do: "silence" }, { do: "silence", after: 20_000 }] as const) {
          const { emulator, compute } = yield* among([{ peer: "pageserver", action }])
          yield* compute.waitFor("init")
          yield* until("a basebackup to be asked for", () => basebackups(emulator) > 0)
          assert.strictEqual((yield* compute.status)?.["status"], "init")
          // The basebackup itself is waited for longer than this test.
          compute.signal("SIGTERM")
          assert.strictEqual((yield* compute.ended).code, 1)
          assert.deepStrictEqual(yield* compute.processes, [])
        }
      }),
    LIMIT
  )
})

describe("safekeepers", () => {
  const startsAt = (faults: ReadonlyArray<Fault>, lsn: string, prepare: (emulator: Emulator) => void = () => {}) =>
    Effect.gen(function* () {
      const emulator = yield* startFakeEmulator()
      emulator.world.faults = faults
      prepare(emulator)
      const compute = yield* startCompute({ emulator, spec: plain })
      yield* compute.waitFor("running")
      const asked = emulator.world.asked.find(({ text }) => text.startsWith("basebackup"))?.text ?? ""
      const { tenant_id, timeline_id } = emulator.addresses
      assert.strictEqual(asked, `basebackup ${tenant_id} ${timeline_id} ${lsn}--gzip`)
      return emulator.world.asked.filter(({ peer }) => peer === "sync").length
    })

  it.live(
    "one of which is silent do not hold the start up",
    () =>
      Effect.gen(function* () {
        const syncs = yield* startsAt([{ peer: "safekeeper", member: 1, action: { do: "silence" } }], "0/1800000 ")
        assert.strictEqual(syncs, 0)
      }),
    LIMIT
  )

  it.live(
    "that disagree are synced first, and the start goes on from the highest position",
    () =>
      Effect.gen(function* () {
        const syncs = yield* startsAt([], "0/1900000 ", ({ world }) => {
          const [flush, commit] = [Lsn.fromBigInt(0x1900000n), Lsn.fromBigInt(0x1800000n)]
          for (const timeline of world.timelines.values()) timeline.members.set(2, { flush, commit })
        })
        assert.strictEqual(syncs, 1)
      }),
    LIMIT
  )

  it.live(
    "that never heard of the timeline make it start from the latest",
    () =>
      Effect.gen(function* () {
        const syncs = yield* startsAt([{ peer: "safekeeper", action: { do: "missing" } }], "")
        assert.strictEqual(syncs, 1)
      }),
    LIMIT
  )

  it.live(
    "that fail to sync for a while are tried again",
    () =>
      Effect.gen(function* () {
        const lost = { do: "error", code: "", message: "restarting to adopt mconf generation 2" } as const
        const syncs = yield* startsAt(
          [
            { peer: "safekeeper", action: { do: "lsn", flush: "0/20", commit: "0/18" } },
            { peer: "sync", times: 1, action: lost },
            { peer: "sync", skip: 1, times: 1, action: { do: "print", stdout: "garbage\n", exit: 0 } }
          ],
          "0/20 "
        )
        assert.strictEqual(syncs, 3)
      }),
    LIMIT
  )

  it.live(
    "that hang while syncing at the start do not survive a signal",
    () =>
      Effect.gen(function* () {
        const { emulator, compute } = yield* among([
          { peer: "safekeeper", action: { do: "missing" } },
          { peer: "sync", action: { do: "silence" } }
        ])
        yield* until("a sync to be asked for", () => emulator.world.asked.some(({ peer }) => peer === "sync"))
        compute.signal("SIGTERM")
        assert.strictEqual((yield* compute.ended).code, 1)
        assert.deepStrictEqual(yield* compute.processes, [])
      }),
    LIMIT
  )

  it.live(
    "that fail at the end do not keep the compute: no position, exit 0",
    () =>
      Effect.gen(function* () {
        const { emulator, compute } = yield* among([])
        yield* compute.waitFor("running")
        emulator.world.faults = [{ peer: "sync", action: { do: "error", code: "", message: "lost the election" } }]
        const answer = yield* compute.http({ method: "POST", path: "/terminate?mode=immediate" })
        assert.deepStrictEqual([answer.status, answer.body], [200, '{"lsn":null}'])
        assert.strictEqual((yield* compute.ended).code, 0)
        assert.deepStrictEqual(yield* compute.processes, [])
      }),
    LIMIT
  )
})

describe("a storage token", () => {
  it.live(
    "reaches every peer, and a wrong one ends the start soon",
    () =>
      Effect.gen(function* () {
        const keys = makeKeys()
        const emulator = yield* startFakeEmulator({ tokenKey: keys })
        const good = yield* startCompute({ emulator, spec: plain })
        yield* good.waitFor("running")
        const token = sign({ scope: "tenant", tenant_id: "1".repeat(32) }, keys)
        const wrong = yield* startCompute({ emulator, spec: { ...plain, mode: "Replica", storage_auth_token: token } })
        const failed = yield* wrong.waitFor("failed")
        assert.match(String(failed["error"]), /JWT authentication error|Unauthorized/)
        for (const compute of [good, wrong]) assert.notInclude(compute.log(), token)
        assert.notInclude(good.log(), emulator.addresses.storage_token ?? "?")
      }),
    LIMIT
  )
})

describe("a compute", () => {
  it.live(
    "stops in order under a busy client: the control file says so",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const compute = yield* startCompute({ emulator, spec: plain })
        yield* compute.waitFor("running")
        const client = new pg.Client({ connectionString: compute.connstr })
        client.on("error", () => {})
        yield* Effect.promise(() => client.connect())
        void client.query("select pg_sleep(600)").catch(() => {})
        const busy = "select count(*) from pg_stat_activity where query = 'select pg_sleep(600)' and state = 'active'"
        yield* eventually("the client to be busy", compute.sql(busy), (count) => count === "1")
        compute.signal("SIGTERM")
        assert.strictEqual((yield* compute.ended).code, 1)
        const control = fs.readFileSync(path.join(compute.pgdata, "global/pg_control"))
        // DB_SHUTDOWNED, after system identifier, two version numbers.
        assert.strictEqual(control.readInt32LE(16), 1)
      }),
    LIMIT
  )

  it.live(
    "that was killed leaves a server behind, which the next start stops before it takes the directory",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const first = yield* startCompute({ emulator, spec: plain })
        yield* first.waitFor("running")
        const old = Number(fs.readFileSync(path.join(first.pgdata, "postmaster.pid"), "utf8").split("\n")[0])
        first.signal("SIGKILL")
        yield* first.ended
        const next = yield* startCompute({ emulator, spec: plain, dir: first.dir, ports: first.ports })
        yield* next.waitFor("running")
        assert.notInclude(
          (yield* next.processes).map(({ pid }) => pid),
          old
        )
        assert.strictEqual(yield* next.sql("select 1"), "1")
      }),
    LIMIT
  )

  it.live(
    "answers while five hundred connections say nothing",
    () =>
      Effect.gen(function* () {
        const { compute } = yield* among([])
        yield* compute.waitFor("running")
        const sockets = yield* Effect.acquireRelease(
          Effect.sync(() =>
            Array.from({ length: 500 }, (_, at): Socket => {
              const socket = connect(compute.ports.external, "127.0.0.1")
              socket.on("error", () => {})
              if (at % 2 === 0) socket.write("GET /status HTTP/1.1\r\nHost: x\r\n")
              return socket
            })
          ),
          (all) => Effect.sync(() => all.forEach((socket) => socket.destroy()))
        )
        yield* until("all to be connected", () => sockets.every(({ connecting }) => !connecting))
        assert.strictEqual((yield* compute.http({ path: "/status" })).status, 200)
        compute.signal("SIGTERM")
        assert.strictEqual((yield* compute.ended).code, 1)
      }),
    LIMIT
  )

  it.live(
    "with a config that is wrong deep down says where, and exits 1",
    () =>
      Effect.gen(function* () {
        const { compute } = yield* among([], { spec: { cluster: { roles: [{ name: 5 }] } } })
        assert.strictEqual((yield* compute.ended).code, 1)
        assert.include(compute.log(), "spec.cluster.roles[0].name")
      }),
    LIMIT
  )
})

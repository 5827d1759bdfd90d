/**
 * The built program and its storage: quorums of every size, generations, recorded archives.
 */
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Emulator, EmulatorOptions } from "../../src/emulator/Emulator.ts"
import type { Fault } from "../../src/emulator/Fault.ts"
import { type Compute, startCompute } from "../rig/compute.ts"
import { recorded, startFakeEmulator } from "../rig/emulator.ts"
import { tempDir } from "../rig/postgres.ts"
import { pageservers, type SpecJson, setting } from "../rig/spec.ts"
import { until } from "../rig/waits.ts"

const LIMIT = 300_000
const plain = { skip_pg_catalog_updates: true }

const safekeeper = (member: number, action: Fault["action"]): Fault => ({ peer: "safekeeper", member, action })
/** At the check alone: the election that follows finds everybody well. */
const once = (action: Fault["action"], ...members: ReadonlyArray<number>): ReadonlyArray<Fault> =>
  members.map((member) => ({ ...safekeeper(member, action), times: 1 }))
const silent = (...members: ReadonlyArray<number>) => once({ do: "silence" }, ...members)

/** How often the child was run until the compute was up. */
const syncs = (
  faults: ReadonlyArray<Fault>,
  more: { readonly options?: Partial<EmulatorOptions>; readonly spec?: (emulator: Emulator) => SpecJson } = {}
) =>
  Effect.gen(function* () {
    const emulator = yield* startFakeEmulator(more.options)
    emulator.world.faults = faults
    const compute = yield* startCompute({ emulator, spec: { ...plain, ...more.spec?.(emulator) } })
    yield* compute.waitFor("running")
    const conf = fs.readFileSync(path.join(compute.pgdata, "postgresql.conf"), "utf8")
    return { count: emulator.world.asked.filter(({ peer }) => peer === "sync").length, conf, emulator }
  }).pipe(Effect.scoped)

/** Connections to a port of this machine that are open. */
const connectionsTo = (address: string): number => {
  const port = Number(address.slice(address.lastIndexOf(":") + 1))
    .toString(16)
    .toUpperCase()
    .padStart(4, "0")
  const rows = fs.readFileSync("/proc/net/tcp", "utf8").split("\n")
  return rows.filter((row) => row.trim().split(/\s+/)[2]?.endsWith(`:${port}`) && / 01 /.test(row)).length
}

describe("the peers of a start", () => {
  it.live.skipIf(process.platform !== "linux")(
    "are connected to before anything is prepared, and asked when all of it is; each has one connection, which is closed",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        const dir = yield* tempDir("tls-")
        const pair = { key_path: path.join(dir, "tls.key"), cert_path: path.join(dir, "tls.crt") }
        const compute = yield* startCompute({
          emulator,
          spec: { ...plain, features: ["tls_experimental"] },
          config: { compute_ctl_config: { tls: pair } }
        })
        const seen = (what: string) =>
          emulator.world.asked.flatMap((one) => (one.what === what ? [`${one.peer} ${one.member}`] : [])).toSorted()
        const peers = ["pageserver 0", "safekeeper 0", "safekeeper 1", "safekeeper 2"]
        // The configuration names the key pair, for which the start waits.
        yield* until("the connections", () => seen("startup").length >= peers.length)
        assert.deepStrictEqual(seen("startup"), peers)
        assert.deepStrictEqual(seen("query"), [])
        assert.isFalse(fs.existsSync(path.join(compute.pgdata, "postgresql.conf")))
        for (const kind of ["key", "crt"]) {
          fs.copyFileSync(path.join(import.meta.dirname, `../fixtures/tls/ec.${kind}`), path.join(dir, `tls.${kind}`))
        }
        yield* compute.waitFor("running")
        assert.deepStrictEqual(seen("startup"), peers)
        assert.deepStrictEqual(seen("query"), peers)
        const { safekeepers, pageservers: urls } = emulator.addresses
        const ports = [...safekeepers, ...urls.map((url) => new URL(url).host)]
        yield* until("the connections to be closed", () => ports.every((port) => connectionsTo(port) === 0))
      }),
    LIMIT
  )
})

describe("the safekeepers of a start", () => {
  it.live(
    "are in sync with a quorum of three, four or five, and never with less",
    () =>
      Effect.gen(function* () {
        const cases: ReadonlyArray<readonly [members: number, faults: ReadonlyArray<Fault>, synced: boolean]> = [
          [1, [], true],
          [3, silent(0), true],
          [3, [safekeeper(0, { do: "refuse" }), ...once({ do: "error", code: "XX000", message: "no" }, 1)], false],
          [4, silent(3), true],
          [4, silent(2, 3), false],
          [5, silent(0, 4), true],
          [5, [...silent(0, 4), ...once({ do: "cut", after: 3 }, 2)], false],
          [5, once({ do: "lsn", flush: "0/1800100", commit: "0/1800000" }, 4), false]
        ]
        for (const [safekeepers, faults, synced] of cases) {
          // On a machine that is busy an answer may come after the check's 100 ms, and then the child runs.
          const once = Effect.map(syncs(faults, { options: { safekeepers } }), ({ count }) => count === 0)
          const seen = yield* Effect.repeat(once, { until: (found) => found === synced, times: synced ? 4 : 0 })
          assert.strictEqual(seen, synced, `${safekeepers}: ${JSON.stringify(faults)}`)
        }
      }),
    LIMIT
  )

  it.live(
    "have a generation in the configuration, wherever it was given; without one member it takes an election",
    () =>
      Effect.gen(function* () {
        const given = yield* syncs([], { spec: () => ({ safekeepers_generation: 3 }) })
        assert.include(given.conf, `neon.safekeepers='g#3:${given.emulator.addresses.safekeepers.join(",")}'\n`)
        const lacking = yield* syncs([safekeeper(0, { do: "refuse" })], { spec: () => ({ safekeepers_generation: 3 }) })
        assert.isAtLeast(lacking.count, 1)
        const fromSettings = yield* syncs([], {
          spec: ({ addresses }) => ({
            safekeeper_connstrings: [],
            cluster: {
              roles: [],
              databases: [],
              settings: [setting("neon.safekeepers", `g#7:${addresses.safekeepers.join(",")}`)]
            }
          })
        })
        const members = fromSettings.emulator.addresses.safekeepers.join(",")
        assert.include(fromSettings.conf, `neon.safekeepers = 'g#7:${members}'\n`)
        const refused = yield* startCompute({
          emulator: yield* startFakeEmulator(),
          spec: { ...plain, safekeeper_connstrings: ["a:1", "b:2", "a:1"] }
        })
        assert.strictEqual((yield* refused.ended).code, 1)
        assert.include(refused.log(), "duplicate entry in safekeeper_connstrings: a:1!")
      }),
    LIMIT
  )
})

/** Relative path to `mode size digest`, of files; directories to their mode. */
const tree = (root: string, folder = ""): ReadonlyArray<readonly [string, string]> =>
  fs.readdirSync(path.join(root, folder)).flatMap((name): ReadonlyArray<readonly [string, string]> => {
    const relative = path.join(folder, name)
    const stat = fs.lstatSync(path.join(root, relative))
    const mode = (stat.mode & 0o777).toString(8)
    if (stat.isDirectory()) return [[relative, mode], ...tree(root, relative)]
    if (!stat.isFile()) return [[relative, "link"]]
    const digest = createHash("sha256")
      .update(fs.readFileSync(path.join(root, relative)))
      .digest("hex")
    return [[relative, `${mode} ${stat.size} ${digest}`]]
  })

/** What compute_ctl and the server add or change. */
const ours = new Set(["postgresql.conf", "pg_hba.conf", "pg_dynshmem", "postmaster.pid", "standby.signal", "wait"])

const compare = (compute: Compute, archive: string) =>
  Effect.gen(function* () {
    const expected = yield* tempDir("tar-")
    execFileSync("tar", ["-xzf", archive, "-C", expected])
    const wanted = tree(expected).filter(([name]) => !ours.has(name))
    const found = new Map(tree(compute.pgdata).filter(([name]) => !ours.has(name)))
    assert.isAbove(wanted.length, 40)
    for (const [name, facts] of wanted) {
      // No entry of its own in the archive.
      assert.strictEqual(found.get(name), name === "pg_wal" ? "700" : facts, name)
    }
    assert.deepStrictEqual([...found.keys()].sort(), wanted.map(([name]) => name).sort())
    assert.strictEqual(fs.readlinkSync(path.join(compute.pgdata, "pg_dynshmem")), "/dev/shm/")
    assert.isTrue(
      fs.readFileSync(path.join(compute.pgdata, "pg_hba.conf"), "utf8").endsWith("\n\nhost\tall\t\tall\t\tall\t\tmd5")
    )
    assert.strictEqual(fs.statSync(compute.pgdata).mode & 0o777, 0o700)
  })

describe("the lines of postgres --sync-safekeepers", () => {
  it.live(
    "are lines of their own in the log",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        emulator.world.faults = [
          // Two: without them there is no quorum, in time or not.
          ...once({ do: "missing" }, 0, 1),
          { peer: "sync", times: 2, action: { do: "error", code: "", message: "lost the election" } }
        ]
        const compute = yield* startCompute({ emulator, spec: plain })
        yield* compute.waitFor("running")
        const lines = compute.log().split("\n")
        assert.lengthOf(
          lines.filter((line) => line === "PG:FATAL:  lost the election"),
          2
        )
      }),
    LIMIT
  )
})

describe("a real pageserver's basebackup", () => {
  for (const protocol of ["libpq", "grpc"] as const) {
    for (const mode of ["Primary", "Replica"] as const) {
      it.live(
        `of a ${mode.toLowerCase()} over ${protocol} is unpacked as tar does, also after broken tries`,
        () =>
          Effect.gen(function* () {
            const emulator = yield* startFakeEmulator({ content: recorded })
            const peer = protocol === "grpc" ? ("grpc" as const) : ("pageserver" as const)
            emulator.world.faults = [
              { peer, times: 1, action: { do: "cut", after: 40_000 } },
              { peer, times: 1, skip: 1, action: { do: "corrupt", at: 30_000 } }
            ]
            const compute = yield* startCompute({
              emulator,
              spec: { ...plain, mode, ...pageservers(emulator.addresses, protocol) }
            })
            yield* compute.waitFor("running")
            assert.deepStrictEqual(emulator.world.faults, [])
            yield* compare(compute, mode === "Primary" ? recorded.primary : recorded.replica)
          }),
        LIMIT
      )
    }
  }
})

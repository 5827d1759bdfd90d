import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { fromBigInt } from "../../../../src/domain/spec/Lsn.ts"
import type { ParsedSpec } from "../../../../src/domain/spec/ParsedSpec.ts"
import type * as Fault from "../../../../src/emulator/Fault.ts"
import type { ComputeOptions } from "../../../../src/layers/compute/Options.ts"
import { Account } from "../../../../src/layers/machine/Account.ts"
import { type ChildOptions, Children, type Ended, SpawnFailed } from "../../../../src/layers/machine/child/Children.ts"
import { check, checkEarly } from "../../../../src/layers/storage/safekeepers/check.ts"
import { Safekeepers } from "../../../../src/layers/storage/safekeepers/Safekeepers.ts"
import { basics, fake, options, settle, spec } from "../../../programs/fakes.ts"
import { until } from "../../../rig/waits.ts"
import { LSN, storage, TENANT, TIMELINE } from "../../storageRig.ts"

const safekeeper = (member: number, action: Fault.Action): Fault.Fault => ({ peer: "safekeeper", member, action })
const recordedStartup = {
  client_encoding: "UTF8",
  user: "no_user",
  options: `-c timeline_id=${TIMELINE} tenant_id=${TENANT}`
}

describe("the fast check", () => {
  const cases: ReadonlyArray<readonly [string, ReadonlyArray<Fault.Fault>, bigint | null]> = [
    ["all agree", [], 0x1800000n],
    ["one is silent", [safekeeper(2, { do: "silence" })], 0x1800000n],
    ["one refuses connections", [safekeeper(0, { do: "refuse" })], 0x1800000n],
    ["one answers with an error", [safekeeper(1, { do: "error", code: "XX000", message: "cancelled" })], 0x1800000n],
    ["two are silent", [safekeeper(0, { do: "silence" }), safekeeper(2, { do: "silence" })], null],
    ["two refuse connections", [safekeeper(0, { do: "refuse" }), safekeeper(2, { do: "refuse" })], null],
    ["one does not know the timeline", [safekeeper(1, { do: "missing" })], null],
    ["one is ahead", [safekeeper(2, { do: "lsn", flush: "0/1800008", commit: "0/1800000" })], null],
    [
      "none has committed what it flushed",
      [0, 1, 2].map((member) => safekeeper(member, { do: "lsn", flush: "0/1800000", commit: "0/17FFFF8" })),
      null
    ],
    [
      "nothing was ever written",
      [0, 1, 2].map((member) => safekeeper(member, { do: "lsn", flush: "0/0", commit: "0/0" })),
      0n
    ],
    ["one says nonsense", [safekeeper(0, { do: "lsn", flush: "0/0", commit: "0/8" })], null]
  ]
  for (const [name, faults, expected] of cases) {
    it.live(name, () =>
      Effect.gen(function* () {
        const { spec, asked } = yield* storage({ faults })
        const lsn = yield* check(spec())
        assert.strictEqual(lsn, expected === null ? null : fromBigInt(expected))
        for (const { detail } of asked("safekeeper", "startup")) assert.deepStrictEqual(detail, recordedStartup)
        assert.isTrue(asked("safekeeper", "query").every(({ text }) => text === "TIMELINE_STATUS"))
      })
    )
  }

  it.live("uses sessions made early, once, and only while they are good", () =>
    Effect.gen(function* () {
      const { asked, spec, world } = yield* storage()
      const admitted = (count: number) => until("the sessions", () => asked("safekeeper", "startup").length === count)
      yield* Effect.gen(function* () {
        const ask = yield* checkEarly(spec())
        yield* admitted(3)
        assert.deepStrictEqual(asked("safekeeper", "query"), [])
        assert.strictEqual(yield* ask, LSN)
        assert.strictEqual(asked("safekeeper", "startup").length, 3)
      }).pipe(Effect.scoped)
      // Refused at first, and admitted when it is asked.
      world.faults = [{ ...safekeeper(1, { do: "refuse" }), times: 1 }]
      yield* Effect.gen(function* () {
        const ask = yield* checkEarly(spec("libpq", { safekeepers_generation: 3 }))
        yield* until("the refusal", () => world.faults.length === 0)
        yield* admitted(5)
        assert.strictEqual(yield* ask, LSN)
        assert.strictEqual(asked("safekeeper", "startup").length, 6)
      }).pipe(Effect.scoped)
    })
  )

  it.live("is not enough without one member while there are generations", () =>
    Effect.gen(function* () {
      const { spec, world } = yield* storage()
      const generation = (safekeepers_generation: number) => check(spec("libpq", { safekeepers_generation }))
      assert.strictEqual(yield* generation(3), LSN)
      world.faults = [safekeeper(1, { do: "refuse" })]
      assert.isNull(yield* generation(3))
      assert.strictEqual(yield* generation(0), LSN)
    })
  )

  /** So late by the clock of the check; however long a machine takes for the answers, they are in time. */
  const checkedAt = (millis: number, parsed: ParsedSpec) =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(check(parsed))
      for (let at = 0; at < millis; at += 10) {
        yield* settle
        yield* TestClock.adjust(10)
      }
      return yield* Fiber.join(fiber)
    })

  it.effect("is not held up by a silent member for its whole limit", () =>
    Effect.gen(function* () {
      const { spec } = yield* storage({ faults: [safekeeper(1, { do: "silence" })] })
      assert.strictEqual(yield* checkedAt(90, spec()), LSN)
    })
  )

  it.effect("hears a member that comes after the others have agreed", () =>
    Effect.gen(function* () {
      const late: Fault.Fault = { peer: "safekeeper", member: 2, action: { do: "delay", ms: 20 } }
      const ahead = safekeeper(2, { do: "lsn", flush: "0/1800008", commit: "0/1800000" })
      const { asked, spec } = yield* storage({ faults: [late, ahead] })
      const fiber = yield* Effect.forkChild(check(spec()))
      yield* TestClock.withLive(until("all to be asked", () => asked("safekeeper", "query").length === 3))
      yield* TestClock.adjust(20)
      assert.isNull(yield* Fiber.join(fiber))
    })
  )

  it.live("does not count the time in which this process was busy", () =>
    Effect.gen(function* () {
      const { spec } = yield* storage({ faults: [safekeeper(0, { do: "delay", ms: 10 })] })
      const fiber = yield* Effect.forkChild(check(spec()))
      yield* Effect.sleep(5)
      for (const end = performance.now() + 200; performance.now() < end; );
      assert.strictEqual(yield* Fiber.join(fiber), LSN)
    })
  )

  it.live("shows its token to those who ask", () =>
    Effect.gen(function* () {
      const rig = yield* storage({ tokens: true })
      assert.strictEqual(yield* check(rig.spec()), LSN)
      const foreign = rig.issue({ scope: "tenant", tenant_id: "f".repeat(32) })
      assert.isNull(yield* check(rig.spec("libpq", { storage_auth_token: foreign })))
      assert.isNull(yield* check(rig.spec("libpq", { storage_auth_token: null })))
    })
  )

  it.live("takes an answer only when it is whole", () =>
    Effect.gen(function* () {
      for (const after of [0, 10, 64, 65, 80, 100, 118]) {
        const { spec, world } = yield* storage({ safekeepers: 1 })
        world.faults = [safekeeper(0, { do: "cut", after })]
        const lsn = yield* check(spec())
        // Row description (64 bytes), row (1 + 4 + 2 + 2 * (4 + 9)), command complete (21), ready (6).
        assert.strictEqual(lsn, after >= 64 + 33 + 21 ? LSN : null)
      }
    })
  )

  it.live("does not fail on an address that is none", () =>
    Effect.gen(function* () {
      assert.isNull(yield* check(spec({ mode: "Primary", safekeeper_connstrings: ["nonsense:port", "x:1:2"] })))
    })
  )
})

interface Run {
  readonly program: string
  readonly options: ChildOptions | undefined
}

/** Children that print and end as told, one after the other; the last one stays. */
type End = readonly [stdout: string, ended: Ended, stderr?: string]
const scripted = (runs: Array<Run>, ends: ReadonlyArray<End | "missing">) =>
  fake(Children, {
    spawn: (program: string, options?: ChildOptions) =>
      Effect.suspend(() => {
        const end = ends[Math.min(runs.length, ends.length - 1)] ?? "missing"
        runs.push({ program, options })
        if (end === "missing") return Effect.fail(new SpawnFailed({ program, reason: "ENOENT" }))
        const [stdout, ended, stderr] = end
        return Effect.succeed({
          pid: 1,
          ended: Effect.succeed(ended),
          signal: () => Effect.void,
          stop: () => Effect.succeed(ended),
          raw: { stdin: null, stdout: null },
          stdout: Stream.fromIterable(stdout.split("\n").filter((line) => line !== "")),
          stderr: stderr === undefined ? Stream.empty : Stream.make(stderr)
        })
      })
  })

const exited = (code: number): Ended => ({ _tag: "Exited", code })

const withChildren = (children: Layer.Layer<Children>, members: Partial<ComputeOptions> = {}) =>
  Safekeepers.layer.pipe(
    Layer.provide(children),
    Layer.provide(
      options({ pgbin: "/pg/bin/postgres", pgdata: "/pgdata", isVm: false, cgroup: "neon-postgres", ...members })
    ),
    Layer.provide(Layer.succeed(Account, { postgres: null })),
    Layer.provideMerge(basics)
  )

const unreachable = (members: Record<string, unknown> = {}): ParsedSpec =>
  spec({ mode: "Primary", safekeeper_connstrings: ["x:y"], ...members })

const sync = (parsed: ParsedSpec) => Effect.flatMap(Safekeepers, (safekeepers) => safekeepers.sync(parsed))

describe("the full sync", () => {
  it.effect("runs the child", () =>
    Effect.gen(function* () {
      const runs: Array<Run> = []
      const parsed = unreachable({ storage_auth_token: "s3cret" })
      const { lsn } = yield* Effect.provide(sync(parsed), withChildren(scripted(runs, [["0/16B9188\n", exited(0)]])))
      assert.strictEqual(lsn, fromBigInt(0x16b9188n))
      assert.strictEqual(runs[0]?.program, "/pg/bin/postgres")
      assert.deepStrictEqual(runs[0]?.options?.args, ["--sync-safekeepers"])
      assert.deepStrictEqual(runs[0]?.options?.env, { PGDATA: "/pgdata", NEON_AUTH_TOKEN: "s3cret" })
    })
  )

  it.effect("runs in the cgroup on a virtual machine", () =>
    Effect.gen(function* () {
      const runs: Array<Run> = []
      yield* Effect.provide(sync(unreachable()), withChildren(scripted(runs, [["0/0\n", exited(0)]]), { isVm: true }))
      assert.strictEqual(runs[0]?.program, "cgexec")
      assert.deepStrictEqual(runs[0]?.options?.args, [
        "-g",
        "memory:neon-postgres",
        "/pg/bin/postgres",
        "--sync-safekeepers"
      ])
    })
  )

  const failing: ReadonlyArray<readonly [string, readonly [string, Ended], string]> = [
    ["exits with 1", ["", exited(1)], "postgres --sync-safekeepers exited with non-zero status: code 1. stdout: "],
    [
      "is killed",
      ["0/10\n", { _tag: "Killed", signal: "SIGKILL" }],
      "postgres --sync-safekeepers exited with non-zero status: signal SIGKILL. stdout: 0/10\n"
    ],
    ["prints garbage", ["garbage\n", exited(0)], "postgres --sync-safekeepers printed no LSN. stdout: garbage\n"]
  ]
  for (const [name, end, message] of failing) {
    it.effect(`gives up after six runs of a child that ${name}`, () =>
      Effect.gen(function* () {
        const runs: Array<Run> = []
        const fiber = yield* Effect.forkChild(
          Effect.provide(sync(unreachable()), withChildren(scripted(runs, [end]))).pipe(Effect.flip)
        )
        const counts: Array<number> = []
        for (const pause of [0, 1100, 1210, 1331, 1464]) {
          yield* TestClock.adjust(pause)
          yield* Effect.yieldNow.pipe(Effect.repeat({ times: 300 }))
          counts.push(runs.length)
        }
        assert.deepStrictEqual(counts, [2, 3, 4, 5, 5])
        yield* TestClock.adjust(1)
        assert.strictEqual((yield* Fiber.join(fiber)).message, message)
        assert.strictEqual(runs.length, 6)
      })
    )
  }

  it.effect("succeeds when a later run does, and measures that one alone", () =>
    Effect.gen(function* () {
      const runs: Array<Run> = []
      const children = scripted(runs, [
        ["", exited(1)],
        ["x", exited(0)],
        ["2/10\n", exited(0)]
      ])
      const fiber = yield* Effect.forkChild(Effect.provide(sync(unreachable()), withChildren(children)))
      for (const pause of [0, 1100]) {
        yield* TestClock.adjust(pause)
        yield* Effect.yieldNow.pipe(Effect.repeat({ times: 300 }))
      }
      assert.deepStrictEqual(yield* Fiber.join(fiber), { lsn: fromBigInt(0x200000010n), tookMs: 0 })
    })
  )

  it.effect("does not run a program again that is not there", () =>
    Effect.gen(function* () {
      const runs: Array<Run> = []
      const error = yield* Effect.flip(Effect.provide(sync(unreachable()), withChildren(scripted(runs, ["missing"]))))
      assert.match(error.message, /^postgres --sync-safekeepers failed to start: .*ENOENT/)
      assert.strictEqual(runs.length, 1)
    })
  )

  it.effect("runs once at the end, and again when the members change under it", () =>
    Effect.gen(function* () {
      const runs: Array<Run> = []
      const final = (ends: ReadonlyArray<End>) =>
        Effect.provide(
          Effect.flatMap(Safekeepers, (safekeepers) => safekeepers.finalSync(unreachable())),
          withChildren(scripted(runs, ends))
        )
      assert.strictEqual((yield* final([["0/20\n", exited(0)]])).lsn, fromBigInt(0x20n))
      runs.length = 0
      assert.strictEqual((yield* Effect.flip(final([["", exited(1)]])))._tag, "SyncFailed")
      assert.strictEqual(runs.length, 1)
      runs.length = 0
      const moved: End = ["", exited(1), "FATAL:  restarting to adopt mconf generation 4"]
      assert.strictEqual((yield* final([moved, ["0/20\n", exited(0)]])).lsn, fromBigInt(0x20n))
      assert.strictEqual(runs.length, 2)
    })
  )

  it.live("ends with its caller", () =>
    Effect.gen(function* () {
      const dir = fs.mkdtempSync(path.join(os.tmpdir(), "sync-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => fs.rmSync(dir, { recursive: true })))
      const pgbin = path.join(dir, "postgres")
      const pidFile = path.join(dir, "pid")
      fs.writeFileSync(pgbin, `#!/bin/sh\necho $$ > ${pidFile}\nexec sleep 60\n`, { mode: 0o755 })
      const fiber = yield* Effect.forkChild(
        Effect.provide(sync(unreachable()), withChildren(Children.layer, { pgbin, pgdata: dir }))
      )
      const pid = yield* Effect.sync(() => Number(fs.readFileSync(pidFile, "utf8"))).pipe(
        Effect.catchDefect(() => Effect.fail("not yet")),
        Effect.filterOrFail((number) => number > 0),
        Effect.retry({ times: 3000, schedule: Schedule.spaced(20) }),
        Effect.orDie
      )
      yield* Fiber.interrupt(fiber)
      assert.throws(() => process.kill(pid, 0), /ESRCH/)
    })
  )
})

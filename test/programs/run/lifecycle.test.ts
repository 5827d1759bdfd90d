/**
 * A life from its beginning to its exit code, by the clock of the test. What a start does in detail is not looked at.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import type { ParsedSpec } from "../../../src/domain/spec/ParsedSpec.ts"
import { Catalog } from "../../../src/layers/catalog/Catalog.ts"
import { ComputeState } from "../../../src/layers/compute/ComputeState.ts"
import { MachineConfig } from "../../../src/layers/compute/Options.ts"
import { Supervisor } from "../../../src/layers/compute/Supervisor.ts"
import { type StopReason, StopRequests } from "../../../src/layers/compute/stop/StopRequests.ts"
import { Extensions } from "../../../src/layers/extensions/Extensions.ts"
import { Children, type Ended } from "../../../src/layers/machine/child/Children.ts"
import { Certificates } from "../../../src/layers/neighbours/Certificates.ts"
import { LocalProxy } from "../../../src/layers/neighbours/LocalProxy.ts"
import { PgBouncer } from "../../../src/layers/neighbours/PgBouncer.ts"
import { Rsyslog } from "../../../src/layers/neighbours/Rsyslog.ts"
import { Log } from "../../../src/layers/observe/log/Log.ts"
import { Monitor } from "../../../src/layers/observe/Monitor.ts"
import { DataDirectory, DataDirectoryFailed } from "../../../src/layers/postgres/dataDirectory/DataDirectory.ts"
import { Postmaster } from "../../../src/layers/postgres/Postmaster.ts"
import { Sql } from "../../../src/layers/sql/Sql.ts"
import { EndpointStorage } from "../../../src/layers/storage/endpointStorage/EndpointStorage.ts"
import { Pageserver } from "../../../src/layers/storage/pageserver/Pageserver.ts"
import { Safekeepers } from "../../../src/layers/storage/safekeepers/Safekeepers.ts"
import { Offloading } from "../../../src/programs/run/background/offload.ts"
import { Prewarming } from "../../../src/programs/run/background/prewarm.ts"
import { lifecycle } from "../../../src/programs/run/lifecycle.ts"
import { Reconfiguration } from "../../../src/programs/run/reconfigure.ts"
import { Refresh } from "../../../src/programs/run/refresh.ts"
import { terminate } from "../../../src/programs/stop/terminate.ts"
import { basics, fake, options, settle, spec } from "../fakes.ts"

/** What none of these lives asks for anything. */
const idle = Layer.mergeAll(
  fake(Sql, {}),
  fake(Log, {}),
  fake(Reconfiguration, {}),
  fake(Certificates, {}),
  fake(Refresh, {}),
  fake(Monitor, {}),
  fake(Offloading, {}),
  fake(Prewarming, {}),
  fake(Extensions, {}),
  fake(Safekeepers, {}),
  fake(EndpointStorage, {}),
  fake(Children, {}),
  fake(Catalog, {})
)

const term: StopReason = { _tag: "Signal", signal: "SIGTERM", immediate: false }
/** It asks neither safekeepers nor catalog. */
const replica = spec({ mode: "Replica" })

const world = (log: Array<string>, create: Effect.Effect<void, DataDirectoryFailed> = Effect.void) => {
  const note = (what: string) => Effect.sync(() => void log.push(what))
  const ended = Deferred.makeUnsafe<Ended>()
  const end = (code: number) => Deferred.succeed(ended, { _tag: "Exited", code })
  const postgres = {
    pid: 1,
    ended: Deferred.await(ended),
    ready: Effect.void,
    lastWords: Effect.succeed(""),
    reload: Effect.succeed(true),
    stop: (mode: string) => Effect.andThen(note(`stop ${mode}`), Effect.andThen(end(0), Deferred.await(ended)))
  }
  const layer = Layer.mergeAll(
    fake(Supervisor, { run: () => Effect.void as never }),
    fake(PgBouncer, { stop: Effect.void }),
    fake(LocalProxy, { stop: Effect.void }),
    fake(Rsyslog, { exportLogs: () => Effect.void }),
    fake(DataDirectory, {
      create: Effect.onInterrupt(create, () => note("interrupted")),
      writeConf: () => Effect.succeed(true),
      unpack: () => Effect.succeed(3),
      finish: () => Effect.void,
      coreDumps: Effect.succeed([])
    }),
    fake(Pageserver, {
      connectEarly: () => Effect.succeed(() => Effect.succeed({ bytes: Stream.empty, connectMicros: 1 }))
    }),
    fake(Postmaster, {
      start: () => Effect.as(note("start"), postgres),
      current: Effect.succeed(postgres)
    }),
    Layer.succeed(MachineConfig, { jwks: { keys: [] }, tls: null }),
    options({ dev: false }),
    idle,
    basics
  )
  return { layer, end }
}

const live = (given: ParsedSpec | null) => lifecycle(given, 0n, Effect.void)

/** Somebody configures an empty compute, as `/configure` does. */
const configure = Effect.flatMap(ComputeState, ({ transition }) => transition("configure", () => ({ spec: replica })))
const given = Effect.flatMap(ComputeState, ({ transition }) => transition("spec at start", () => ({ spec: replica })))
const status = Effect.map(ComputeState.current, (state) => state.status)
const ask = (reason: StopReason) => Effect.flatMap(StopRequests, (stops) => stops.request(reason))
const pass = (seconds: number) => Effect.andThen(settle, Effect.andThen(TestClock.adjust(seconds * 1000), settle))

describe("a life", () => {
  it.effect("begins with the spec that comes, is counted from then on, and ends with the code of Postgres", () => {
    const log: Array<string> = []
    const { end, layer } = world(log)
    return Effect.gen(function* () {
      const life = yield* Effect.forkChild(live(null))
      yield* pass(7)
      assert.strictEqual(yield* status, "empty")
      yield* configure
      yield* settle
      const { metrics, status: now } = yield* ComputeState.current
      assert.strictEqual(now, "running")
      assert.deepInclude(metrics, { wait_for_spec_ms: 7000, total_startup_ms: 0 })
      yield* end(3)
      yield* pass(1)
      assert.strictEqual(yield* Fiber.join(life), 3)
      // Nobody had asked to stop: the status stays what it was.
      assert.strictEqual(yield* status, "running")
      assert.deepStrictEqual(log, ["start"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("of an empty compute ends with 1 for a signal", () =>
    Effect.gen(function* () {
      const life = yield* Effect.forkChild(live(null))
      yield* settle
      yield* ask(term)
      assert.strictEqual(yield* Fiber.join(life), 1)
    }).pipe(Effect.provide(world([]).layer))
  )

  it.effect("of an empty compute ends with 0 for a termination", () =>
    Effect.gen(function* () {
      const life = yield* Effect.forkChild(live(null))
      yield* settle
      const answer = yield* Effect.forkChild(terminate("fast"))
      yield* pass(1)
      assert.deepInclude(yield* Fiber.join(answer), { _tag: "Terminated", lsn: null })
      assert.strictEqual(yield* Fiber.join(life), 0)
    }).pipe(Effect.provide(world([]).layer))
  )

  it.effect("whose start fails says why for half a minute, and ends with 1", () => {
    const log: Array<string> = []
    const { layer } = world(
      log,
      Effect.fail(new DataDirectoryFailed({ path: "/nowhere", reason: "no room on this disk" }))
    )
    return Effect.gen(function* () {
      yield* given
      const life = yield* Effect.forkChild(live(replica))
      yield* pass(29)
      const { error, status: now } = yield* ComputeState.current
      assert.strictEqual(now, "failed")
      assert.include(error, "no room on this disk")
      assert.isUndefined(life.pollUnsafe())
      yield* pass(1)
      assert.strictEqual(yield* Fiber.join(life), 1)
      assert.notInclude(log, "start")
    }).pipe(Effect.provide(layer))
  })

  it.effect("that is asked to end while it starts lets go of the start first", () => {
    const log: Array<string> = []
    const { layer } = world(log, Effect.never)
    return Effect.gen(function* () {
      yield* given
      const life = yield* Effect.forkChild(live(replica))
      yield* pass(60)
      assert.strictEqual(yield* status, "init")
      yield* ask(term)
      assert.strictEqual(yield* Fiber.join(life), 1)
      assert.deepStrictEqual(log, ["interrupted"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("that is terminated while it starts answers without a position and ends with 0", () => {
    const { layer } = world([], Effect.never)
    return Effect.gen(function* () {
      yield* given
      const life = yield* Effect.forkChild(live(replica))
      yield* settle
      const answer = yield* Effect.forkChild(terminate("immediate"))
      yield* pass(1)
      assert.deepInclude(yield* Fiber.join(answer), { _tag: "Terminated", lsn: null })
      assert.strictEqual(yield* Fiber.join(life), 0)
    }).pipe(Effect.provide(layer))
  })

  it.effect("that is terminated while it runs stops Postgres, answers, and stays for half a minute", () => {
    const log: Array<string> = []
    const { layer } = world(log)
    return Effect.gen(function* () {
      yield* given
      const life = yield* Effect.forkChild(live(replica))
      yield* settle
      const answer = yield* Effect.forkChild(terminate("fast"))
      yield* pass(29)
      assert.deepInclude(yield* Fiber.join(answer), { _tag: "Terminated", repeated: false })
      assert.strictEqual(yield* status, "terminated")
      assert.deepStrictEqual(log, ["start", "stop fast"])
      assert.isUndefined(life.pollUnsafe())
      yield* pass(1)
      assert.strictEqual(yield* Fiber.join(life), 0)
    }).pipe(Effect.provide(layer))
  })
})

/**
 * Who reads the log stops reading, as a container runtime does that hangs: it costs lines, and nothing else.
 */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Compute, type ComputeOptions, startCompute } from "../rig/compute.ts"
import { startEmulator } from "../rig/emulator.ts"
import { tempDir } from "../rig/postgres.ts"
import { canMount, volumeAt } from "../rig/volume.ts"

const LIMIT = 300_000
/** Milliseconds: what is frozen never answers, and a busy machine is slow. */
const NET = 60_000

/** More than a pipe, a socket and the queue of lines hold together. */
const flood = "DO $$ BEGIN FOR i IN 1..16000 LOOP RAISE LOG '% %', i, repeat('x', 1000); END LOOP; END $$"

const lost = (compute: Compute) =>
  Effect.map(compute.http({ path: "/metrics", token: null, limit: NET }), ({ body }) =>
    Number(/^compute_ctl_log_lines_dropped_total (\d+)$/m.exec(body)?.[1])
  )

/** What is done while nobody reads. Each answer has a limit of its own. */
const live = (compute: Compute) =>
  Effect.gen(function* () {
    yield* compute.waitFor("running")
    yield* compute.sql(flood).pipe(Effect.timeout(NET))
    assert.strictEqual((yield* compute.http({ path: "/status", limit: NET })).status, 200)
    assert.isAbove(yield* lost(compute), 1000)
    assert.strictEqual(yield* compute.sql("SELECT 1"), "1")
    // More requests than lines of theirs would have room.
    yield* Effect.forEach(
      Array.from({ length: 300 }),
      () => compute.http({ path: `/status?${"y".repeat(2000)}`, limit: NET }),
      { concurrency: 10 }
    )
  })

const start = (options: Partial<ComputeOptions>) =>
  Effect.flatMap(startEmulator(), (emulator) => startCompute({ emulator, ...options }))

/** Its lines must end within the second that is given to the last of them, and Postgres' own stop. */
const stops = (compute: Compute) =>
  Effect.gen(function* () {
    compute.signal("SIGTERM")
    const ended = yield* compute.ended.pipe(Effect.timeout(NET))
    assert.deepStrictEqual(ended, { code: 1, signal: null })
    assert.deepStrictEqual(yield* compute.processes, [])
  })

interface Fifo {
  readonly writer: number
  readonly read: () => string
}

/** A pipe whose reader is us; nothing is read before `read`, which takes what is there. */
const fifo = Effect.gen(function* () {
  const file = path.join(yield* tempDir("fifo-"), "stderr")
  const open = Effect.sync((): Fifo & { readonly reader: number } => {
    execFileSync("mkfifo", ["-m", "600", file])
    const reader = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
    const writer = fs.openSync(file, fs.constants.O_WRONLY)
    const buffer = Buffer.alloc(1024 * 1024)
    const read = () => {
      try {
        return buffer.toString("utf8", 0, fs.readSync(reader, buffer))
      } catch {
        return ""
      }
    }
    return { reader, writer, read }
  })
  return yield* Effect.acquireRelease(open, ({ reader, writer }) =>
    Effect.sync(() => {
      fs.closeSync(reader)
      fs.closeSync(writer)
    })
  )
})

const flags = (pid: number, descriptor: number): number => {
  const text = fs.readFileSync(`/proc/${pid}/fdinfo/${descriptor}`, "utf8")
  return Number.parseInt(/^flags:\s+(\d+)/m.exec(text)?.[1] ?? "", 8)
}

const untilSaid = (text: () => string, wanted: RegExp) => {
  let all = ""
  const poll: Effect.Effect<string> = Effect.suspend(() => {
    all += text()
    return wanted.test(all) ? Effect.succeed(all) : Effect.delay(poll, 10)
  })
  return poll.pipe(Effect.timeout(NET))
}

const LOSS = /WARN (\d+) log lines were dropped here/

describe("a reader of stderr that stalls", () => {
  for (const ordinary of [false, true]) {
    const who = ordinary ? "an ordinary user" : "whoever runs this"

    it.live(
      `stops nothing when it is a socket, as ${who}`,
      () =>
        Effect.gen(function* () {
          const compute = yield* start({ stderr: "unread", ordinary })
          yield* live(compute)
          yield* stops(compute)
        }),
      LIMIT
    )

    it.live(
      `stops nothing when it is a pipe, as ${who}`,
      () =>
        Effect.gen(function* () {
          const { writer } = yield* fifo
          const compute = yield* start({ stderr: writer, ordinary })
          yield* live(compute)
          assert.strictEqual(flags(compute.pid, 2) & fs.constants.O_NONBLOCK, 0)
          yield* stops(compute)
        }),
      LIMIT
    )

    it.live(
      `learns how many lines it missed, as ${who}`,
      () =>
        Effect.gen(function* () {
          const { writer, read } = yield* fifo
          const compute = yield* start({ stderr: writer, ordinary })
          yield* live(compute)
          const text = yield* untilSaid(read, LOSS)
          assert.isAbove(Number(LOSS.exec(text)?.[1]), 1000)
          assert.match(text, /compute build_tag/)
          const before = yield* lost(compute)
          yield* compute.sql("DO $$ BEGIN RAISE LOG 'all is read again'; END $$")
          yield* untilSaid(read, /PG:.*all is read again/)
          assert.strictEqual(yield* lost(compute), before)
          compute.signal("SIGTERM")
          yield* untilSaid(read, /PG:.*database system is shut down/)
          assert.strictEqual((yield* compute.ended).code, 1)
        }),
      LIMIT
    )
  }

  it.live(
    "that went away stops nothing either",
    () =>
      Effect.gen(function* () {
        const dir = yield* tempDir("fifo-")
        const file = path.join(dir, "stderr")
        execFileSync("mkfifo", [file])
        const reader = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK)
        const writer = fs.openSync(file, fs.constants.O_WRONLY)
        const compute = yield* start({ stderr: writer })
        fs.closeSync(writer)
        fs.closeSync(reader)
        yield* compute.waitFor("running")
        yield* compute.sql(flood).pipe(Effect.timeout(NET))
        assert.isAbove(yield* lost(compute), 10_000)
        yield* stops(compute)
      }),
    LIMIT
  )

  it.live(
    "loses nothing when it was only slow, and what is logged at the end still comes",
    () =>
      Effect.gen(function* () {
        const compute = yield* start({ stderr: "unread" })
        yield* compute.waitFor("running")
        yield* compute.sql(
          "DO $$ BEGIN FOR i IN 1..1000 LOOP RAISE LOG 'line % %', i, repeat('x', 1000); END LOOP; END $$"
        )
        compute.readStderr()
        compute.signal("SIGTERM")
        assert.strictEqual((yield* compute.ended).code, 1)
        assert.strictEqual(compute.log().match(/PG:.*LOG: {2}line \d+ x/g)?.length, 1000)
        assert.match(compute.log(), /PG:.*database system is shut down/)
      }),
    LIMIT
  )
})

describe("a file on a disk that is full", () => {
  it.live.runIf(canMount)(
    "learns how many lines it missed when there is room again, and has no line torn into another",
    () =>
      Effect.gen(function* () {
        const volume = yield* tempDir("full-")
        yield* volumeAt(volume, "16k")
        const file = path.join(volume, "log")
        const writer = fs.openSync(file, "a")
        const compute = yield* start({ stderr: writer })
        fs.closeSync(writer)
        yield* compute.waitFor("running")
        const ask = Effect.forEach(Array.from({ length: 100 }), () => compute.http({ path: `/${"x".repeat(180)}` }))
        yield* ask
        const full = fs.statSync(file).size
        yield* ask
        assert.strictEqual(fs.statSync(file).size, full)
        fs.truncateSync(file)
        yield* compute.http({ path: "/again" })
        const read = () => fs.readFileSync(file, "utf8")
        yield* untilSaid(read, /GET \/again/)
        const [first = "", ...others] = read()
          .split("\n")
          .filter((line) => line !== "")
        const told = Number(LOSS.exec(first)?.[1])
        assert.isAbove(told, 200)
        for (const line of others) assert.match(line, /^(?:\d{4}-\d\d-\d\dT\S+ +[A-Z]+ |PG:)/)
        // What was asked for since then came through.
        assert.strictEqual(yield* lost(compute), told)
        fs.truncateSync(file)
        yield* stops(compute)
      }),
    LIMIT
  )
})

describe("a statement that logs 300 MB", () => {
  it.live(
    "costs neither memory nor the log as much, in one line or in many",
    () =>
      Effect.gen(function* () {
        const compute = yield* start({})
        yield* compute.waitFor("running")
        const resident = () =>
          Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync(`/proc/${compute.pid}/status`, "utf8"))?.[1])
        const before = resident()
        yield* compute.sql("DO $$ BEGIN RAISE LOG '%', repeat('x', 300000000); END $$")
        yield* compute.waitForLog(/PG:.*LOG: {2}x{1000}x*… \(29\d{7} more\)/)
        yield* compute.sql("DO $$ BEGIN RAISE LOG '%', repeat(E'0123456789\\n', 20000000); END $$")
        yield* compute.waitForLog(/PG:.*LOG: {2}0123456789\u200b.*… \(\d{6,} more\)/)
        assert.isBelow(resident() - before, 280_000)
        assert.isBelow(compute.log().length, 20_000_000)
        assert.strictEqual((yield* compute.http({ path: "/status" })).status, 200)
      }),
    LIMIT
  )
})

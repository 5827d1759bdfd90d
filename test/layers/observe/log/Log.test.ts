import { execFileSync } from "node:child_process"
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { Log, type LogOptions } from "../../../../src/layers/observe/log/Log.ts"

const logged = <E>(
  effect: Effect.Effect<unknown, E, Log>,
  options: Partial<LogOptions> = {},
  at = Date.UTC(2026, 2, 2, 8, 15, 30, 42)
) =>
  Effect.gen(function* () {
    const lines: Array<string> = []
    yield* TestClock.setTime(at)
    const write = (line: string) => lines.push(line) > 0
    yield* effect.pipe(Effect.provide(Log.layer({ format: "text", write, ...options })))
    return lines
  })

class Boom extends Error {}

describe("Log", () => {
  it.effect("writes time, level, spans, message and fields", () =>
    Effect.gen(function* () {
      const [first, second] = yield* logged(
        Effect.gen(function* () {
          yield* Effect.logInfo("starting compute monitor").pipe(
            Effect.withSpan("run"),
            Effect.withSpan("compute_monitor")
          )
          yield* Effect.logError("request failed").pipe(
            Effect.annotateLogs({ request_id: "a-1", cause: "two words" }),
            Effect.withSpan("lsn_lease", { attributes: { tenant_id: "ab", "http.route": "/x" } })
          )
        })
      )
      assert.match(
        first ?? "",
        /^2026-03-02T08:15:30\.042\d{3}Z {2}INFO compute_monitor:run: starting compute monitor$/
      )
      assert.match(second ?? "", /Z ERROR lsn_lease\{tenant_id=ab\}: request failed request_id=a-1 cause="two words"$/)
    })
  )

  it.effect("keeps one event on one line, with the chain of its causes", () =>
    Effect.gen(function* () {
      const error = new Boom("outer", { cause: new Boom("inner\nand more", { cause: "root" }) })
      const lines = yield* logged(
        Effect.catchCause(Effect.fail(error), (cause) => Effect.logError("it\r\nbroke", cause))
      )
      assert.strictEqual(lines.length, 1)
      assert.match(lines[0] ?? "", /ERROR it\u200bbroke: outer: inner\u200band more: root$/)
    })
  )

  it.effect("filters by level", () =>
    Effect.gen(function* () {
      const program = Effect.all([
        Effect.logDebug("d"),
        Effect.logInfo("i"),
        Effect.logWarning("w"),
        Effect.logError("e")
      ])
      const shown = (filter?: string) =>
        Effect.map(logged(program, { filter }), (lines) => lines.map((line) => line.at(-1)).join(""))
      assert.strictEqual(yield* shown(), "iwe")
      assert.strictEqual(yield* shown("warn"), "we")
      assert.strictEqual(yield* shown("pageserver::tenant=debug,debug"), "diwe")
      assert.strictEqual(yield* shown(""), "e")
      assert.strictEqual(yield* shown("off"), "")
    })
  )

  it.effect("hides secrets in message, field and span, in every form", () =>
    Effect.gen(function* () {
      const directory = mkdtempSync(join(tmpdir(), "log-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(directory, { recursive: true })))
      for (const format of ["text", "json"] as const) {
        const lines = yield* logged(
          Effect.logInfo("connecting to postgresql://u:hunter2@h/").pipe(
            Effect.annotateLogs({ authorization: "hunter2", header: "Bearer hunter2" }),
            Effect.withSpan("s", { attributes: { token: "hunter2" } })
          ),
          { format, logDirectory: directory }
        )
        assert.notInclude(lines.join("\n"), "hunter2")
        assert.include(lines.join("\n"), "<redacted>")
      }
      const [file = ""] = readdirSync(directory)
      assert.notInclude(readFileSync(join(directory, file), "utf8"), "hunter2")
    }).pipe(Effect.scoped)
  )

  it.effect("writes one JSON object per event", () =>
    Effect.gen(function* () {
      const lines = yield* logged(
        Effect.logWarning('quote " and\nbreak').pipe(Effect.annotateLogs("n", 1), Effect.withSpan("s")),
        { format: "json" }
      )
      const { timestamp, trace_id, span_id, ...rest } = JSON.parse(lines[0] ?? "")
      assert.deepStrictEqual(rest, {
        level: "WARN",
        message: 'quote " and\nbreak',
        fields: { n: "1" },
        spans: [{ name: "s" }]
      })
      assert.match(timestamp, /^2026-03-02T08:15:30\.042\d{3}Z$/)
      assert.strictEqual(typeof trace_id, "string")
      assert.strictEqual(typeof span_id, "string")
    })
  )

  it.effect("writes daily files in the form of Postgres, appends to them and keeps two", () =>
    Effect.gen(function* () {
      const root = mkdtempSync(join(tmpdir(), "log-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(root, { recursive: true })))
      const logDirectory = join(root, "made", "here")
      yield* logged(Effect.logInfo("before\nany spec"), { logDirectory })
      writeFileSync(join(logDirectory, "pgcctl.2026-02-27"), "")
      writeFileSync(join(logDirectory, "unrelated"), "")
      yield* logged(
        Effect.gen(function* () {
          yield* (yield* Log).identify({ instanceId: "i-1", computeId: 'c"1' })
          yield* Effect.logError("again")
          yield* TestClock.setTime(Date.UTC(2026, 2, 3, 0, 0, 0, 5))
          yield* Effect.logInfo("next day")
        }),
        { logDirectory }
      )
      assert.deepStrictEqual(readdirSync(logDirectory).sort(), ["pgcctl.2026-03-02", "pgcctl.2026-03-03", "unrelated"])
      const line = (time: string, level: string, ids: readonly [string, string], message: string) =>
        `{"timestamp": "${time} GMT", "error_severity": "${level}", "file_name": "compute_ctl", "backend_type": "compute_ctl_self", "pg_instance_id": ${JSON.stringify(ids[0])}, "pg_compute_id": ${JSON.stringify(ids[1])}, "message": ${JSON.stringify(message)}}\n`
      assert.strictEqual(
        readFileSync(join(logDirectory, "pgcctl.2026-03-02"), "utf8"),
        line("2026-03-02 08:15:30.042", "INFO", ["", ""], "before\nany spec") +
          line("2026-03-02 08:15:30.042", "ERROR", ["i-1", 'c"1'], "again")
      )
      assert.strictEqual(
        readFileSync(join(logDirectory, "pgcctl.2026-03-03"), "utf8"),
        line("2026-03-03 00:00:00.005", "INFO", ["i-1", 'c"1'], "next day")
      )
    }).pipe(Effect.scoped)
  )

  it.effect("neither waits for nor writes into what is no file in the place of a daily one", () =>
    Effect.gen(function* () {
      const root = mkdtempSync(join(tmpdir(), "log-"))
      yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(root, { recursive: true })))
      const dropped = Effect.flatMap(Log, (log) => Effect.andThen(Effect.logInfo("once"), log.dropped))
      const plant = (name: string, make: (file: string) => void) =>
        Effect.gen(function* () {
          const logDirectory = join(root, name)
          mkdirSync(logDirectory)
          make(join(logDirectory, "pgcctl.2026-03-02"))
          const check = Effect.map(dropped, (count) => assert.strictEqual(count, 1, name))
          assert.lengthOf(yield* logged(check, { logDirectory }), 1)
        })
      yield* plant("a pipe", (file) => execFileSync("mkfifo", [file]))
      yield* plant("a link", (file) => symlinkSync(join(root, "elsewhere"), file))
      assert.isFalse(existsSync(join(root, "elsewhere")))
    }).pipe(Effect.scoped)
  )

  it.effect("passes raw lines through whatever the level, and counts what is lost", () =>
    Effect.gen(function* () {
      const lines = yield* logged(
        Effect.flatMap(Log, (log) => log.raw("PG:line")),
        { filter: "off" }
      )
      assert.deepStrictEqual(lines, ["PG:line"])
      yield* logged(
        Effect.gen(function* () {
          yield* Effect.logInfo("lost")
          assert.strictEqual(yield* (yield* Log).dropped, 1)
        }),
        { write: () => false }
      )
    })
  )
})

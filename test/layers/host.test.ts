import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import { Children } from "../../src/layers/machine/child/Children.ts"
import { reportCoreDumps } from "../../src/layers/machine/process/coreDumps.ts"
import { setDiskQuota } from "../../src/layers/machine/vm/diskQuota.ts"
import { resizeSwap } from "../../src/layers/machine/vm/swap.ts"
import { serveVmInformant } from "../../src/layers/machine/vm/vmInformant.ts"
import { DataDirectory } from "../../src/layers/postgres/dataDirectory/DataDirectory.ts"
import { fake, options } from "../programs/fakes.ts"
import { placed } from "../rig/places.ts"
import { directory, eventually, logged, script } from "./companionRig.ts"

/** A sudo that writes down how it was called, and what it shall do then. */
const sudo = (path: string, then = "exit 0") =>
  script(join(path, "sudo"), `printf '%s|' "$@" >> ${path}/called; ${then}`)
const called = (path: string) => readFileSync(join(path, "called"), "utf8")

describe("resizeSwap", () => {
  const resize = (path: string) =>
    resizeSwap(2147483648n).pipe(
      Effect.provide(placed({ sudo: join(path, "sudo"), swapTool: join(path, "resize-swap") })),
      Effect.provide(Children.layer)
    )

  it.live("runs the tool as root", () =>
    Effect.gen(function* () {
      const path = yield* directory
      sudo(path)
      yield* resize(path)
      assert.strictEqual(called(path), `${path}/resize-swap|--once|2147483648|`)
    })
  )

  it.live("fails with the tool, unless the tool is gone because it has done its work before", () =>
    Effect.gen(function* () {
      const path = yield* directory
      sudo(path, "exit 3")
      writeFileSync(join(path, "resize-swap"), "")
      const error = yield* Effect.flip(resize(path))
      assert.strictEqual(error.message, `${path}/resize-swap ended with code 3`)
      rmSync(join(path, "resize-swap"))
      const lines: Array<string> = []
      yield* Effect.provide(resize(path), logged(lines))
      assert.match(lines.join("\n"), /swap was resized before/)
    })
  )

  it.live("fails when there is no sudo", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const error = yield* Effect.flip(resize(path))
      assert.match(error.message, /^could not run .*\/resize-swap/)
    })
  )
})

describe("setDiskQuota", () => {
  const set = (path: string, bytes: bigint) =>
    setDiskQuota(bytes, "/var/db").pipe(
      Effect.provide(placed({ sudo: join(path, "sudo") })),
      Effect.provide(Children.layer)
    )

  for (const [bytes, kib] of [
    [10_000_000_000n, "9765625"],
    [10_737_418_240n, "10485760"],
    [1023n, "0"],
    [0n, "0"],
    [18_446_744_073_709_551_615n, "18014398509481983"]
  ] as const) {
    it.live(`gives ${bytes} bytes as ${kib} KiB`, () =>
      Effect.gen(function* () {
        const path = yield* directory
        sudo(path)
        yield* set(path, bytes)
        assert.strictEqual(called(path), `/neonvm/bin/set-disk-quota|${kib}|/var/db|`)
      })
    )
  }

  it.live("fails with the tool", () =>
    Effect.gen(function* () {
      const path = yield* directory
      sudo(path, "kill -9 $$")
      const error = yield* Effect.flip(set(path, 1n))
      assert.strictEqual(error.message, "/neonvm/bin/set-disk-quota ended with signal SIGKILL")
    })
  )

  it.effect("fails when the tool hangs", () =>
    Effect.gen(function* () {
      const hung = fake(Children, {
        spawn: () => Effect.succeed({ ended: Effect.never } as never)
      })
      const setting = yield* setDiskQuota(1n, "/m").pipe(Effect.provide(hung), Effect.result, Effect.forkChild)
      yield* TestClock.adjust("61 seconds")
      const result = yield* Fiber.join(setting)
      assert.strictEqual(Result.getOrThrow(Result.flip(result)).message, "/neonvm/bin/set-disk-quota did not end")
    })
  )
})

describe("reportCoreDumps", () => {
  const report = (path: string, cores: ReadonlyArray<string>, lines: Array<string>) =>
    reportCoreDumps().pipe(
      Effect.provide(
        Layer.mergeAll(
          placed({ gdb: join(path, "gdb"), lldb: join(path, "lldb") }),
          Children.layer,
          options({ pgbin: "/pg/bin/postgres" }),
          fake(DataDirectory, { coreDumps: Effect.succeed(cores) }),
          logged(lines)
        )
      )
    )

  it.live("logs what gdb says of each dump", () =>
    Effect.gen(function* () {
      const path = yield* directory
      script(join(path, "gdb"), `echo "#0 abort"; printf '%s|' "$@"; echo "no symbols in $0" >&2`)
      const lines: Array<string> = []
      yield* report(path, ["/data/core", "/data/core.7"], lines)
      const text = lines.join("\n")
      assert.include(text, "core dump found: /data/core, collecting backtrace")
      assert.include(text, "core dump backtrace: #0 abort\n--batch|-q|-ex|bt|/pg/bin/postgres|/data/core|")
      assert.include(text, "|/data/core.7|")
      assert.include(text, `debugger stderr: no symbols in ${join(path, "gdb")}`)
    })
  )

  it.live("asks lldb when there is no gdb, and logs when there is neither", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const lines: Array<string> = []
      yield* report(path, ["/data/core"], lines)
      assert.include(lines.join("\n"), "no backtrace of /data/core: ")
      script(join(path, "lldb"), `printf '%s|' "$@"`)
      yield* report(path, ["/data/core"], lines)
      assert.include(lines.join("\n"), "core dump backtrace: -c|/data/core|--batch|-o|bt all|-o|quit|")
    })
  )

  it.live("logs why gdb could say nothing", () =>
    Effect.gen(function* () {
      const path = yield* directory
      script(join(path, "gdb"), `echo "core was generated by another program" >&2; exit 1`)
      const lines: Array<string> = []
      yield* report(path, ["/data/core"], lines)
      assert.include(lines.join("\n"), "debugger stderr: core was generated by another program")
    })
  )

  it.effect("gives a debugger the minutes that a large dump takes", () =>
    Effect.gen(function* () {
      const limits: Array<number> = []
      const children = fake(Children, {
        run: (_program, options) =>
          Effect.sync(() => {
            limits.push(Duration.toMinutes(options?.timeout ?? 0))
            return { ended: { _tag: "Exited", code: 0 }, stdout: "#0 abort", stderr: "" } as const
          })
      })
      yield* reportCoreDumps().pipe(
        Effect.provide(
          Layer.mergeAll(
            children,
            options({ pgbin: "/pg/bin/postgres" }),
            fake(DataDirectory, { coreDumps: Effect.succeed(["/data/core"]) })
          )
        )
      )
      assert.deepStrictEqual(limits, [10])
    })
  )

  it.live("is silent without dumps", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      yield* report("/nowhere", [], lines)
      assert.deepStrictEqual(lines, [])
    })
  )
})

describe("serveVmInformant", () => {
  it.live("ends at once where there is no such program", () =>
    Effect.gen(function* () {
      const path = yield* directory
      yield* serveVmInformant.pipe(
        Effect.provide(placed({ vmInformant: join(path, "vm-informant") })),
        Effect.provide(Children.layer)
      )
    })
  )

  it.effect("starts it without arguments, and again 5 s after each end", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const program = script(join(path, "vm-informant"), "")
      const starts = yield* Ref.make<ReadonlyArray<string>>([])
      const children = fake(Children, {
        spawn: (name, given) =>
          Ref.update(starts, (all) => [...all, [name, ...(given?.args ?? [])].join(" ")]).pipe(
            Effect.as({ pid: 1, ended: Effect.succeed({ _tag: "Exited", code: 1 }) } as never)
          )
      })
      yield* serveVmInformant.pipe(
        Effect.provide(placed({ vmInformant: program })),
        Effect.provide(children),
        Effect.forkChild
      )
      // Whether the program is there is asked of the real file system.
      yield* TestClock.withLive(eventuallyStarted(starts))
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual((yield* Ref.get(starts)).length, 1)
      yield* TestClock.adjust("11 seconds")
      assert.deepStrictEqual(yield* Ref.get(starts), [program, program, program, program])
    })
  )

  it.live("takes the program with it when it is interrupted", () =>
    Effect.gen(function* () {
      const path = yield* directory
      const program = script(join(path, "vm-informant"), `echo $$ > ${path}/pid; exec sleep 60`)
      const serving = yield* serveVmInformant.pipe(
        Effect.provide(placed({ vmInformant: program })),
        Effect.provide(Children.layer),
        Effect.forkChild
      )
      yield* eventually(() => existsSync(join(path, "pid")) && readFileSync(join(path, "pid"), "utf8") !== "")
      const pid = readFileSync(join(path, "pid"), "utf8").trim()
      yield* Fiber.interrupt(serving)
      yield* eventually(() => !existsSync(`/proc/${pid}`))
    })
  )
})

const eventuallyStarted = (starts: Ref.Ref<ReadonlyArray<string>>) =>
  Effect.flatMap(Ref.get(starts), (all) => (all.length > 0 ? Effect.void : Effect.fail("not yet"))).pipe(
    Effect.tapError(() => Effect.sleep("10 millis")),
    Effect.eventually
  )

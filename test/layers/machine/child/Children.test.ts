import { ChildProcess } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { vi } from "vitest"
import { run, spawn } from "../../../../src/layers/machine/child/process.ts"
import { account, tempDir } from "../../../rig/postgres.ts"

const sh = (script: string) => ({ args: ["-c", script] })
const alive = (pid: number) => {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

it.live("an exit is data: the code, or the signal", () =>
  Effect.gen(function* () {
    assert.deepStrictEqual((yield* run("/bin/sh", sh("exit 3"))).ended, { _tag: "Exited", code: 3 })
    assert.deepStrictEqual((yield* run("/bin/sh", sh("kill -9 $$"))).ended, { _tag: "Killed", signal: "SIGKILL" })
  })
)

it.live("signals that the system refuses, to a program that has become another user's, end nothing of ours", () =>
  Effect.gen(function* () {
    const refused = vi.spyOn(ChildProcess.prototype, "kill").mockImplementation(function (this: ChildProcess) {
      return this.emit("error", Object.assign(new Error("kill EPERM"), { code: "EPERM", syscall: "kill" }))
    })
    yield* Effect.addFinalizer(() => Effect.sync(() => refused.mockRestore()))
    const child = yield* spawn("/bin/sh", sh("sleep 60"))
    for (const name of ["SIGTERM", "SIGHUP", "SIGKILL"] as const) yield* child.signal(name)
    assert.strictEqual(refused.mock.calls.length, 3)
    refused.mockRestore()
  })
)

it.live("a program that is not there names itself", () =>
  Effect.gen(function* () {
    const error = yield* Effect.flip(run("/nowhere/postgres"))
    assert.match(error.message, /could not run \/nowhere\/postgres: .*ENOENT/)
  })
)

it.live.runIf(account !== null)("a child of another account starts where that account may be", () =>
  Effect.gen(function* () {
    const below = path.join(yield* tempDir("private-"), "private", "below")
    fs.mkdirSync(below, { recursive: true })
    const home = process.cwd()
    yield* Effect.addFinalizer(() => Effect.sync(() => process.chdir(home)))
    process.chdir(below)
    const where = Effect.map(run("/bin/pwd", { account }), ({ stdout }) => stdout)
    fs.chmodSync(path.dirname(below), 0o755)
    assert.strictEqual(yield* where, below)
    fs.chmodSync(path.dirname(below), 0o700)
    assert.strictEqual(yield* where, "/")
  }).pipe(Effect.scoped)
)

it.live("output beyond a pipe's size never blocks a child whose output nobody reads", () =>
  Effect.gen(function* () {
    const child = yield* spawn("/bin/sh", sh("head -c 1000000 /dev/zero | tr '\\0' 'x' | fold -w 100; exit 5"))
    assert.deepStrictEqual(yield* child.ended, { _tag: "Exited", code: 5 })
  }).pipe(Effect.scoped, Effect.timeout("1 minute"))
)

it.live("both outputs are complete when the process has ended, and bytes that are not UTF-8 are replaced", () =>
  Effect.gen(function* () {
    const result = yield* run("/bin/sh", sh("printf 'a\\n\\377b\\nlast'; echo err >&2"))
    assert.deepStrictEqual([result.stdout, result.stderr], ["a\n\ufffdb\nlast", "err"])
  })
)

it.live("a grandchild that keeps the pipes open does not keep the reader waiting", () =>
  Effect.gen(function* () {
    const child = yield* spawn("/bin/sh", sh("sleep 30 & echo $!; exit 0"))
    const lines = yield* Stream.runCollect(child.stdout)
    const grandchild = Number(lines[0])
    process.kill(grandchild, "SIGKILL")
    assert.deepStrictEqual(yield* child.ended, { _tag: "Exited", code: 0 })
  }).pipe(Effect.scoped, Effect.timeout("25 seconds"))
)

it.live("closing the scope stops a process that ignores the polite signal", () =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const child = yield* spawn("/bin/sh", {
      ...sh("trap '' TERM; echo ready; while :; do sleep 0.05; done"),
      ladder: [
        ["SIGTERM", "200 millis"],
        ["SIGKILL", Duration.infinity]
      ]
    }).pipe(Scope.provide(scope))
    yield* Stream.runHead(child.stdout)
    assert.isTrue(alive(child.pid))
    yield* Scope.close(scope, Exit.void)
    assert.isFalse(alive(child.pid))
  })
)

it.live("a helper that overruns is stopped and says how it ended", () =>
  Effect.gen(function* () {
    const result = yield* run("/bin/sleep", { args: ["30"], timeout: "100 millis" })
    assert.deepStrictEqual(result.ended, { _tag: "Killed", signal: "SIGTERM" })
  })
)

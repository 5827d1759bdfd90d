/**
 * Processes on `node:child_process`.
 */

import * as childProcess from "node:child_process"
import type { Readable } from "node:stream"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { messageOf } from "../../../domain/observe/ErrorChain.ts"
import { childEnvironment } from "../../../domain/postgres/ChildEnvironment.ts"
import { writeLine } from "../../observe/log/StandardError.ts"
import { inherited } from "../process/Environment.ts"
import { comeEarlier } from "../process/OutOfMemory.ts"
import { makeBacklog } from "./Backlog.ts"
import type { Child, ChildOptions, Ended } from "./Child.ts"
import { SpawnFailed } from "./errors.ts"
import { splitLines } from "./lines.ts"
import { workingDirectory } from "./workingDirectory.ts"

/** Characters kept of an output that is collected. */
const MOST_COLLECTED = 1024 * 1024
/** Descendants may hold the pipes open after the child has ended; its own output is complete by then. */
const DRAIN_MILLIS = 500
const DEFAULT_LADDER = [
  ["SIGTERM", "5 seconds"],
  ["SIGKILL", Duration.infinity]
] as const

const toLines = (readable: Readable | null, mode: ChildOptions["stdout"]) => {
  const backlog = makeBacklog()
  const splitter = splitLines(mode === "log" ? writeLine : backlog.offer)
  let open = true
  const finish = () => {
    if (!open) return
    open = false
    splitter.end()
    backlog.end()
  }
  if (readable === null) finish()
  readable?.on("data", (chunk: Buffer) => open && splitter.push(chunk))
  readable?.once("close", finish)
  readable?.once("error", finish)
  return { lines: backlog.lines, finish } as const
}

const stdio = (mode: ChildOptions["stdout"]) => (mode === "log" || mode === "raw" ? "pipe" : (mode ?? "pipe"))

const started = (process: childProcess.ChildProcess, program: string) =>
  Effect.callback<number, SpawnFailed>((resume) => {
    process.once("spawn", () => resume(Effect.succeed(process.pid ?? -1)))
    // Once it runs there may be more of them: one for each signal to a program that has become another user's.
    process.on("error", (error) => resume(Effect.fail(new SpawnFailed({ program, reason: error.message }))))
  })

export const spawn = (program: string, options: ChildOptions = {}): Effect.Effect<Child, SpawnFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.gen(function* () {
      const ended = yield* Deferred.make<Ended>()
      const process = yield* Effect.try({
        try: () =>
          childProcess.spawn(program, [...(options.args ?? [])], {
            stdio: [
              options.stdin === "raw" ? "pipe" : (options.stdin ?? "ignore"),
              stdio(options.stdout),
              stdio(options.stderr)
            ],
            env: options.bare === true ? { ...options.env } : childEnvironment(inherited(), options.env),
            detached: options.detached ?? false,
            cwd: options.cwd ?? workingDirectory(options.account),
            ...(options.account && { uid: options.account.uid, gid: options.account.gid })
          }),
        catch: (error) => new SpawnFailed({ program, reason: messageOf(error) })
      })
      const isRaw = options.stdout === "raw"
      const raw = { stdin: options.stdin === "raw" ? process.stdin : null, stdout: isRaw ? process.stdout : null }
      // What it is told after its end is nobody's fault here: its exit says more.
      raw.stdin?.on("error", () => undefined)
      const stdout = toLines(isRaw ? null : process.stdout, options.stdout)
      const stderr = toLines(process.stderr, options.stderr)
      process.once("exit", (code, signal) => {
        const how: Ended = signal === null ? { _tag: "Exited", code: code ?? 1 } : { _tag: "Killed", signal }
        Deferred.doneUnsafe(ended, Effect.succeed(how))
        const drain = setTimeout(() => {
          stdout.finish()
          stderr.finish()
          if (!isRaw) process.stdout?.destroy()
          process.stderr?.destroy()
        }, DRAIN_MILLIS)
        process.once("close", () => clearTimeout(drain))
      })
      const pid = yield* started(process, program)
      if (options.vital !== true) comeEarlier(pid)

      const signal = (name: NodeJS.Signals) => Effect.sync(() => void process.kill(name))
      const awaitEnd = Deferred.await(ended)
      const stop: Child["stop"] = (ladder) =>
        Effect.gen(function* () {
          for (const [name, limit] of ladder) {
            yield* signal(name)
            const end = yield* Effect.timeoutOption(Effect.interruptible(awaitEnd), limit)
            if (Option.isSome(end)) return end.value
          }
          return yield* awaitEnd
        })
      return { pid, ended: awaitEnd, signal, stop, stdout: stdout.lines, stderr: stderr.lines, raw } satisfies Child
    }),
    (child) => child.stop(options.ladder ?? DEFAULT_LADDER)
  )

/** The beginning, when there is too much. */
const collect = (lines: Stream.Stream<string>) =>
  Stream.runFold(
    lines,
    () => ({ text: "", isFirst: true }),
    ({ text, isFirst }, line) => ({
      text: text.length > MOST_COLLECTED ? text : isFirst ? line : `${text}\n${line}`,
      isFirst: false
    })
  ).pipe(Effect.map(({ text }) => text))

/** Runs to the end; past `timeout` it is stopped, and how it ended says so. */
export const run = Effect.fnUntraced(function* (
  program: string,
  options: ChildOptions & { readonly timeout?: Duration.Input } = {}
) {
  const child = yield* spawn(program, options)
  const outputs = yield* Effect.forkChild(
    Effect.all([collect(child.stdout), collect(child.stderr)], { concurrency: 2 })
  )
  const ended = yield* child.ended.pipe(
    Effect.timeoutOrElse({
      duration: options.timeout ?? Duration.infinity,
      orElse: () => child.stop(options.ladder ?? DEFAULT_LADDER)
    })
  )
  const [stdout, stderr] = yield* Fiber.join(outputs)
  return { ended, stdout, stderr }
}, Effect.scoped)

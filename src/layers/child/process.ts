/**
 * Processes on `node:child_process`.
 */
import * as childProcess from "node:child_process"
import type { Readable } from "node:stream"
import * as Chunk from "effect/Chunk"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Queue from "effect/Queue"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { childEnvironment } from "../../domain/ChildEnvironment.ts"
import type { Child, ChildOptions, Ended } from "./Child.ts"
import { splitLines } from "./lines.ts"
import { SpawnFailed } from "./SpawnFailed.ts"

/** Lines kept for a reader that lags; older ones are dropped, so that a child never blocks on us. */
const LINES_KEPT = 65_536
/** Descendants may hold the pipes open after the child has ended; its own output is complete by then. */
const DRAIN_MILLIS = 500
const DEFAULT_LADDER = [
  ["SIGTERM", "5 seconds"],
  ["SIGKILL", Duration.infinity]
] as const

const toLines = (readable: Readable | null) =>
  Effect.gen(function* () {
    const queue = yield* Queue.sliding<Exit.Exit<string, Option.Option<never>>>(LINES_KEPT)
    let open = true
    const finish = () => {
      if (!open) return
      open = false
      splitter.end()
      Queue.unsafeOffer(queue, Exit.fail(Option.none()))
    }
    const splitter = splitLines((line) => Queue.unsafeOffer(queue, Exit.succeed(line)))
    if (readable === null) finish()
    readable?.on("data", (chunk: Buffer) => open && splitter.push(chunk))
    readable?.once("close", finish)
    readable?.once("error", finish)
    const lines = Stream.fromQueue(queue, { shutdown: true }).pipe(Stream.flattenExitOption)
    return { lines, finish } as const
  })

const started = (process: childProcess.ChildProcess, program: string) =>
  Effect.async<number, SpawnFailed>((resume) => {
    process.once("spawn", () => resume(Effect.succeed(process.pid ?? -1)))
    process.once("error", (error) => resume(Effect.fail(new SpawnFailed({ program, reason: error.message }))))
  })

export const spawn = (program: string, options: ChildOptions = {}): Effect.Effect<Child, SpawnFailed, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.gen(function* () {
      const ended = yield* Deferred.make<Ended>()
      const process = yield* Effect.try({
        try: () =>
          childProcess.spawn(program, [...(options.args ?? [])], {
            stdio: [options.stdin ?? "ignore", options.stdout ?? "pipe", options.stderr ?? "pipe"],
            env: childEnvironment(globalThis.process.env, options.env),
            detached: options.detached ?? false,
            ...(options.cwd !== undefined && { cwd: options.cwd }),
            ...(options.account && { uid: options.account.uid, gid: options.account.gid })
          }),
        catch: (error) => new SpawnFailed({ program, reason: error instanceof Error ? error.message : "refused" })
      })
      const stdout = yield* toLines(process.stdout)
      const stderr = yield* toLines(process.stderr)
      process.once("exit", (code, signal) => {
        const how: Ended = signal === null ? { _tag: "Exited", code: code ?? 1 } : { _tag: "Killed", signal }
        Deferred.unsafeDone(ended, Effect.succeed(how))
        const drain = setTimeout(() => {
          stdout.finish()
          stderr.finish()
          process.stdout?.destroy()
          process.stderr?.destroy()
        }, DRAIN_MILLIS)
        process.once("close", () => clearTimeout(drain))
      })
      const pid = yield* started(process, program)

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
      return { pid, ended: awaitEnd, signal, stop, stdout: stdout.lines, stderr: stderr.lines } satisfies Child
    }),
    (child) => child.stop(options.ladder ?? DEFAULT_LADDER)
  )

const collect = (lines: Stream.Stream<string>) =>
  lines.pipe(
    Stream.runCollect,
    Effect.map((chunk) => Chunk.toReadonlyArray(chunk).join("\n"))
  )

/** Runs to the end; past `timeout` it is stopped, and how it ended says so. */
export const run = (program: string, options: ChildOptions & { readonly timeout?: Duration.DurationInput } = {}) =>
  Effect.gen(function* () {
    const child = yield* spawn(program, options)
    const outputs = yield* Effect.fork(Effect.all([collect(child.stdout), collect(child.stderr)], { concurrency: 2 }))
    const ended = yield* child.ended.pipe(
      Effect.timeoutTo({
        duration: options.timeout ?? Duration.infinity,
        onSuccess: (end) => Effect.succeed(end),
        onTimeout: () => child.stop(options.ladder ?? DEFAULT_LADDER)
      }),
      Effect.flatten
    )
    const [stdout, stderr] = yield* outputs
    return { ended, stdout, stderr }
  }).pipe(Effect.scoped)

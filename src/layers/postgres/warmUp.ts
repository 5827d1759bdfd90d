/**
 * A throw-away Postgres before any spec is there: the hypervisor hands out the memory and the binaries are read from
 * disk now, and not during a customer's cold start.
 *
 * Source: `compute_tools/src/compute.rs` (`prewarm_postgres_vm_memory`).
 */

import * as fs from "node:fs/promises"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { messageOf } from "../../domain/observe/ErrorChain.ts"
import type { ComputeOptions } from "../compute/Options.ts"
import type { PostgresAccount } from "../machine/Account.ts"
import { type Children, describeEnd } from "../machine/child/Children.ts"
import { awaitReady } from "./awaitReady.ts"
import { inCgroup } from "./command.ts"
import { PostgresNotStarted } from "./PostgresNotStarted.ts"

const LIMIT = "60 seconds"
/** Of 8 KiB each: 512 MiB. */
const SHARED_BUFFERS = 65536
const PORT = 51055
/** What Postgres ends with is worth more than its last line. */
const FATAL = /(FATAL|PANIC):/

const failed = (message: string) => new PostgresNotStarted({ message: `could not warm up: ${message}` })

const io = <A>(run: () => Promise<A>) =>
  Effect.tryPromise({
    try: run,
    catch: (error) => failed(messageOf(error))
  })

/** Removed when the scope closes, however the warm-up went. */
const directory = (pgdata: string, account: PostgresAccount | null) => {
  const dir = `${pgdata}.warmup`
  const remove = io(() => fs.rm(dir, { recursive: true, force: true }))
  const create = io(async () => {
    await fs.mkdir(dir, { mode: 0o700 })
    if (account !== null) await fs.chown(dir, account.uid, account.gid)
    return dir
  })
  return Effect.acquireRelease(Effect.andThen(remove, create), () => Effect.ignore(remove, { log: true }))
}

const configuration = (preload: string) =>
  [
    `shared_buffers=${SHARED_BUFFERS}`,
    `port=${PORT}`,
    // Nobody connects: a socket in its own directory alone, by a name that is short enough wherever that is.
    "listen_addresses=''",
    "unix_socket_directories='.'",
    `shared_preload_libraries = '${preload}'`,
    ""
  ].join("\n")

export const warmUp = (
  children: Children["Service"],
  options: ComputeOptions,
  account: PostgresAccount | null
): Effect.Effect<void, PostgresNotStarted> => {
  const runOnce = Effect.fnUntraced(function* (dir: string, preload: string) {
    yield* io(() => fs.writeFile(path.join(dir, "postgresql.conf"), configuration(preload)))
    const { program, args } = inCgroup(options, ["-D", dir])
    const child = yield* Effect.mapError(
      children.spawn(program, {
        args,
        account,
        stdout: "ignore",
        ladder: [
          ["SIGQUIT", "5 seconds"],
          ["SIGKILL", "1 minute"]
        ]
      }),
      (error) => failed(error.message)
    )
    const reason = yield* Effect.forkChild(
      Stream.runFold(
        child.stderr,
        () => "no word why",
        (kept, line) => (FATAL.test(kept) ? kept : line)
      )
    )
    yield* awaitReady(dir).pipe(
      Effect.raceFirst(
        Effect.gen(function* () {
          const end = yield* child.ended
          return yield* failed(`Postgres ended with ${describeEnd(end)}: ${yield* Fiber.join(reason)}`)
        })
      ),
      Effect.timeoutOrElse({ duration: LIMIT, orElse: () => Effect.fail(failed("Postgres was not ready in time")) })
    )
    // SIGQUIT and not SIGKILL: no child of it may live on over a directory that is about to go.
    yield* child.stop([
      ["SIGQUIT", "10 seconds"],
      ["SIGKILL", "1 minute"]
    ])
  }, Effect.scoped)

  return Effect.gen(function* () {
    const dir = yield* directory(options.pgdata, account)
    const initdb = path.join(path.dirname(options.pgbin), "initdb")
    const made = yield* Effect.mapError(
      children.run(initdb, { args: ["--pgdata", dir], account, timeout: LIMIT }),
      (error) => failed(error.message)
    )
    if (made.ended._tag !== "Exited" || made.ended.code !== 0) {
      return yield* failed(`initdb ended with ${describeEnd(made.ended)}: ${made.stderr.split("\n").at(-1) ?? ""}`)
    }
    yield* runOnce(dir, "neon").pipe(
      Effect.catch((error) =>
        Effect.andThen(Effect.logWarning(`${error.message}; once more without the neon library`), runOnce(dir, ""))
      )
    )
  }).pipe(Effect.scoped, Effect.withSpan("warm up"))
}

/**
 * `compute_ctl dev`: a compute on this machine with nothing else installed. Storage is emulated, Postgres is real, and
 * the compute is this same program in its drop-in form.
 */
import * as path from "node:path"
import { isSea } from "node:sea"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import { start as startEmulator } from "../../emulator/Emulator.ts"
import * as Tokens from "../../emulator/peers/Tokens.ts"
import { findPostgres } from "../../emulator/postgres/postgresBinaries.ts"
import { Account } from "../../layers/machine/Account.ts"
import { Children, exitCode } from "../../layers/machine/child/Children.ts"
import { workingDirectory } from "../../layers/machine/child/workingDirectory.ts"
import { Log } from "../../layers/observe/log/Log.ts"
import { type Flag, helpOf, parseFlags, UsageError, wholeNumber } from "../flags.ts"
import { complain, misused, print, wantsHelp } from "../output.ts"
import { commandLine, type DevCompute, freePorts, prepare, welcome } from "./dev/compute.ts"

const pgbin: Flag = {
  name: "pgbin",
  short: "b",
  value: "PATH",
  help: "The postgres to run [env: POSTGRES_PATH]; else one of the system, else the packaged one"
}
const port: Flag = { name: "port", value: "PORT", help: "Where Postgres listens", default: "a free one from 55432 on" }
const externalPort: Flag = { name: "external-http-port", value: "PORT", help: "External API", default: "a free one" }
const internalPort: Flag = { name: "internal-http-port", value: "PORT", help: "Internal API", default: "a free one" }
const grpc: Flag = { name: "grpc", help: "Fetch the basebackup over gRPC instead of libpq" }
const emptyStart: Flag = { name: "empty", help: "Start without a spec; POST /configure gives it one" }
const help: Flag = { name: "help", short: "h", help: "Print this" }
const flags = [pgbin, port, externalPort, internalPort, grpc, emptyStart, help]

const helpText = `compute_ctl dev runs a whole compute on this machine: emulated safekeepers and pageserver, a real Postgres,
the HTTP API. It prints how to connect and ends with Ctrl-C. Nothing is kept.

Usage: compute_ctl dev [OPTIONS]

Options:
${helpOf(flags)}`

interface Wanted {
  readonly pgbin: string
  readonly ports: ReadonlyArray<number | null>
  readonly grpc: boolean
  readonly empty: boolean
}

const choose = (argv: ReadonlyArray<string>): Result.Result<Wanted, UsageError> =>
  Result.gen(function* () {
    const given = yield* parseFlags(flags, argv)
    const ports = [
      yield* wholeNumber(given, port, 65_535),
      yield* wholeNumber(given, externalPort, 65_535),
      yield* wholeNumber(given, internalPort, 65_535)
    ]
    const near = [workingDirectory() ?? process.cwd(), path.dirname(process.execPath)]
    const chosen = given.get(pgbin.name) ?? process.env.POSTGRES_PATH ?? findPostgres(near)[0]
    if (chosen === undefined) {
      return yield* Result.fail(
        new UsageError({ message: "no Postgres of major 14 to 17 found", hint: "name one with --pgbin PATH" })
      )
    }
    return { pgbin: chosen, ports, grpc: given.has(grpc.name), empty: given.has(emptyStart.name) }
  })

const STOPPING = ["SIGINT", "SIGTERM", "SIGHUP"] as const
/** A terminal's Ctrl-C comes from the terminal and once more from npm: what comes this soon is the same wish. */
const SAME_WISH = "1 second"

/** One element for each signal that asks for the end. */
const stopSignals = Effect.gen(function* () {
  const signals = yield* Queue.unbounded<void>()
  yield* Effect.acquireRelease(
    Effect.sync(() => {
      const heard = () => void Queue.offerUnsafe(signals, undefined)
      for (const name of STOPPING) process.on(name, heard)
      return heard
    }),
    (heard) => Effect.sync(() => STOPPING.forEach((name) => process.off(name, heard)))
  )
  return signals
})

/** Before the arguments: nothing for the executable, the script for a Node that runs one. */
const ourselves = (): ReadonlyArray<string> => (isSea() ? [] : process.argv.slice(1, 2))

/** Everything the compute needs, on its feet. */
const surroundings = (wanted: Wanted) =>
  Effect.gen(function* () {
    const { postgres: account } = yield* Account
    const keys = Tokens.generate("dev")
    const emulator = yield* startEmulator({ pgbin: wanted.pgbin, account })
    const ports = yield* freePorts(wanted.ports)
    return yield* prepare({ emulator, keys, ports, account, grpc: wanted.grpc, empty: wanted.empty })
  })

const runCompute = (compute: DevCompute, signals: Queue.Dequeue<void>, stopped: Deferred.Deferred<void>) =>
  Effect.gen(function* () {
    const children = yield* Children
    const child = yield* children.spawn(process.execPath, {
      args: [...ourselves(), ...commandLine(compute)],
      stdout: "inherit",
      stderr: "pipe",
      detached: true,
      ladder: [
        ["SIGTERM", "40 seconds"],
        ["SIGKILL", Duration.infinity]
      ]
    })
    yield* Deferred.await(stopped).pipe(
      Effect.andThen(child.signal("SIGTERM")),
      Effect.andThen(Effect.sleep(SAME_WISH)),
      Effect.andThen(Queue.takeAll(signals)),
      Effect.andThen(Queue.take(signals)),
      Effect.andThen(child.signal("SIGQUIT")),
      Effect.forkScoped
    )
    yield* Effect.forkScoped(
      Stream.runForEach(child.stderr, (line) => Effect.sync(() => void process.stderr.write(`${line}\n`)))
    )
    yield* Effect.forkScoped(welcome(compute))
    return exitCode(yield* child.ended)
  })

/** The first signal stops the compute in order, the next one at once; either is the usual end. */
const serve = (wanted: Wanted) =>
  Effect.gen(function* () {
    const signals = yield* stopSignals
    const stopped = yield* Deferred.make<void>()
    yield* Effect.forkScoped(Deferred.complete(stopped, Queue.take(signals)))
    const usualEnd = Effect.andThen(Deferred.await(stopped), Effect.succeed(null))
    const life = Effect.gen(function* () {
      const compute = yield* Effect.raceFirst(surroundings(wanted), usualEnd)
      return compute === null ? 0 : yield* runCompute(compute, signals, stopped)
    })
    const end = yield* Effect.exit(life)
    return (yield* Deferred.isDone(stopped)) ? 0 : yield* end
  }).pipe(Effect.scoped)

const services = Account.layer.pipe(
  Layer.provideMerge(Children.layer),
  Layer.provideMerge(Log.layer({ format: "text" }))
)

/** Succeeds with the compute's exit code; a Ctrl-C is the usual end, and a success. */
export const dev = (argv: ReadonlyArray<string>): Effect.Effect<number> => {
  if (wantsHelp(argv)) return Effect.as(print(helpText), 0)
  const wanted = choose(argv)
  if (Result.isFailure(wanted)) return misused(wanted.failure)
  return serve(wanted.success).pipe(
    Effect.catch((error) => Effect.as(complain(`Error: ${error.message}`), 1)),
    Effect.provide(services)
  )
}

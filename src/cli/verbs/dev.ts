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
import * as Stream from "effect/Stream"
import { start as startEmulator } from "../../emulator/Emulator.ts"
import * as Tokens from "../../emulator/peers/Tokens.ts"
import { findPostgres } from "../../emulator/postgres/postgresBinaries.ts"
import { Account } from "../../layers/machine/Account.ts"
import { Children, exitCode } from "../../layers/machine/child/Children.ts"
import { workingDirectory } from "../../layers/machine/child/workingDirectory.ts"
import { Log } from "../../layers/observe/log/Log.ts"
import { UsageError } from "../flags.ts"
import { complain } from "../output.ts"
import { commandLine, type DevCompute, freePorts, prepare, welcome } from "./dev/compute.ts"

export interface DevOptions {
  readonly pgbin: string | null
  readonly port: number | null
  readonly externalHttpPort: number | null
  readonly internalHttpPort: number | null
  readonly grpc: boolean
  readonly empty: boolean
}

interface Wanted {
  readonly pgbin: string
  readonly ports: ReadonlyArray<number | null>
  readonly grpc: boolean
  readonly empty: boolean
}

const choose = (given: DevOptions): Effect.Effect<Wanted, UsageError> => {
  const near = [workingDirectory() ?? process.cwd(), path.dirname(process.execPath)]
  const pgbin = given.pgbin ?? process.env["POSTGRES_PATH"] ?? findPostgres(near)[0]
  return pgbin === undefined
    ? Effect.fail(
        new UsageError({ message: "no Postgres of major 14 to 17 found", hint: "name one with --pgbin PATH" })
      )
    : Effect.succeed({ ...given, pgbin, ports: [given.port, given.externalHttpPort, given.internalHttpPort] })
}

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
export const dev = (given: DevOptions) =>
  Effect.flatMap(choose(given), (wanted) =>
    serve(wanted).pipe(
      Effect.catch((error) => Effect.as(complain(`Error: ${error.message}`), 1)),
      Effect.provide(services)
    )
  )

/**
 * `compute_ctl dev`: a compute on this machine with nothing else installed. Storage is emulated, Postgres is real, and
 * the compute is this same program in its drop-in form.
 */
import { isSea } from "node:sea"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Stream from "effect/Stream"
import { SERVED } from "../../../domain/postgres/Majors.ts"
import { start as startEmulator } from "../../../emulator/Emulator.ts"
import * as Tokens from "../../../emulator/peers/Tokens.ts"
import { isName } from "../../../emulator/postgres/Branches.ts"
import { TETHER } from "../../../layers/compute/stop/Tether.ts"
import { Account } from "../../../layers/machine/Account.ts"
import { Children, exitCode } from "../../../layers/machine/child/Children.ts"
import { Log } from "../../../layers/observe/log/Log.ts"
import { UsageError } from "../../flags.ts"
import { complain } from "../../output.ts"
import { commandLine, type DevCompute, dataDirectory, freePorts, prepare } from "./dev/compute.ts"
import { type Keep, type KeepOptions, openKeep } from "./dev/Keep.ts"
import { chooseMajor, choosePostgres } from "./dev/postgres.ts"
import { isOurs, welcome } from "./dev/welcome.ts"

export interface DevOptions {
  readonly pgbin: string | null
  readonly pgVersion: number | null
  readonly port: number | null
  readonly externalHttpPort: number | null
  readonly internalHttpPort: number | null
  readonly grpc: boolean
  readonly empty: boolean
  readonly fresh: boolean
  readonly branch: string | null
}

interface Wanted {
  readonly pgbin: string
  readonly ports: ReadonlyArray<number | null>
  readonly grpc: boolean
  readonly empty: boolean
  readonly keep: KeepOptions
}

/** In the working directory. */
const FOLDER = ".compute"

const choose = (given: DevOptions): Effect.Effect<Wanted, UsageError> =>
  Effect.gen(function* () {
    if (given.branch !== null && !isName(given.branch)) {
      const hint = 'its name is at most 63 letters, digits, "_", "-" and ".", of which the first is no "."'
      return yield* new UsageError({ message: `--branch ${JSON.stringify(given.branch)} cannot be a branch`, hint })
    }
    if (given.pgbin !== null && given.pgVersion !== null) {
      return yield* new UsageError({ message: "--pgbin cannot be used with --pg-version" })
    }
    const pgbin = yield* given.pgVersion === null ? choosePostgres(given.pgbin) : chooseMajor(given.pgVersion)
    if (pgbin === null) {
      return yield* new UsageError({ message: `no ${SERVED} found`, hint: "name one with --pgbin PATH" })
    }
    const { branch, empty, fresh, grpc } = given
    const ports = [given.port, given.externalHttpPort, given.internalHttpPort]
    return { pgbin, ports, grpc, empty, keep: { folder: FOLDER, branch, fresh, pgbin } }
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
const surroundings = Effect.fnUntraced(function* (wanted: Wanted) {
  const { postgres: account } = yield* Account
  const keys = Tokens.generate("dev")
  const keep = yield* openKeep(wanted.keep)
  const emulator = yield* startEmulator({
    pgbin: wanted.pgbin,
    account,
    timeline: keep?.timeline,
    lsn: keep?.begin?.lsn,
    content: keep?.begin?.content
  })
  const ports = yield* freePorts(wanted.ports)
  const { empty, grpc } = wanted
  const compute = yield* prepare({ emulator, keys, ports, account, grpc, empty, kept: keep?.place ?? null })
  return { compute, keep }
})

const save = Effect.fnUntraced(function* (keep: Keep | null, compute: DevCompute) {
  if (keep === null) return
  const said = yield* keep.save(compute.emulator, dataDirectory(compute))
  yield* said === null ? Effect.logInfo(`kept in ${keep.place}`) : Effect.logWarning(said)
})

const runCompute = Effect.fnUntraced(function* (
  compute: DevCompute,
  signals: Queue.Dequeue<void>,
  stopped: Deferred.Deferred<void>
) {
  const children = yield* Children
  const child = yield* children.spawn(process.execPath, {
    args: [...ourselves(), ...commandLine(compute)],
    // A `dev` that is killed leaves nobody behind.
    env: { [TETHER]: "stdin" },
    stdin: "pipe",
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
  yield* Effect.forkScoped(Stream.runForEach(child.stderr, (line) => (isOurs(line) ? Effect.void : complain(line))))
  yield* Effect.forkScoped(welcome(compute))
  return exitCode(yield* child.ended)
})

/** The first signal stops the compute in order, the next one at once; either is the usual end. */
const serve = Effect.fnUntraced(function* (wanted: Wanted) {
  const signals = yield* stopSignals
  const stopped = yield* Deferred.make<void>()
  yield* Effect.forkScoped(Deferred.complete(stopped, Queue.take(signals)))
  const usualEnd = Effect.andThen(Deferred.await(stopped), Effect.succeed(null))
  const life = Effect.gen(function* () {
    const up = yield* Effect.raceFirst(surroundings(wanted), usualEnd)
    if (up === null) return 0
    const code = yield* runCompute(up.compute, signals, stopped)
    yield* save(up.keep, up.compute)
    return code
  })
  const end = yield* Effect.exit(life)
  // What could not be kept is said, whoever has ended it.
  return (yield* Deferred.isDone(stopped)) && Exit.isSuccess(end) ? 0 : yield* end
}, Effect.scoped)

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

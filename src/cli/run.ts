/**
 * `compute_ctl` itself: settings and services, then the life of the compute, then its exit code.
 */
import * as Clock from "effect/Clock"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Result from "effect/Result"
import * as ErrorChain from "../domain/observe/ErrorChain.ts"
import type { ComputeConfig } from "../domain/spec/ComputeConfig.ts"
import { type ParsedSpec, parseSpec } from "../domain/spec/ParsedSpec.ts"
import { ComputeState } from "../layers/compute/ComputeState.ts"
import { layerFailpoints } from "../layers/compute/Failpoints.ts"
import { type ComputeOptions, MachineConfig, Options } from "../layers/compute/Options.ts"
import { handleReload, handleSignals } from "../layers/compute/stop/Signals.ts"
import { StopRequests } from "../layers/compute/stop/StopRequests.ts"
import { SpecSource } from "../layers/controlPlane/SpecSource.ts"
import { removeCoreLimit } from "../layers/machine/process/CoreLimit.ts"
import { comeLast } from "../layers/machine/process/OutOfMemory.ts"
import { nameProcess } from "../layers/machine/process/ProcessName.ts"
import { isProcessOne } from "../layers/machine/process/ProcessOne.ts"
import { Uncaught } from "../layers/machine/process/Uncaught.ts"
import { Variables } from "../layers/machine/process/Variables.ts"
import { divert } from "../layers/observe/log/divert.ts"
import { Log } from "../layers/observe/log/Log.ts"
import { Telemetry } from "../layers/observe/trace/Telemetry.ts"
import { Postmaster } from "../layers/postgres/Postmaster.ts"
import { lifecycle } from "../programs/run/lifecycle.ts"
import { type Arguments, type Environment, helpText, parseArguments } from "./arguments.ts"
import type { UsageError } from "./flags.ts"
import * as layers from "./layers.ts"
import { checkMachine } from "./machine.ts"
import { complain, print, wantsHelp } from "./output.ts"

const explain = ({ message, hint }: UsageError): string =>
  [
    `error: ${message}`,
    "",
    ...(hint === undefined ? [] : [`  tip: ${hint}`, ""]),
    "Usage: compute_ctl [OPTIONS] --pgdata <DATADIR> --connstr <URL> --compute-id <ID>",
    "",
    "For more information, try '--help'."
  ].join("\n")

const sourceOf = ({ options, specPath }: Arguments) =>
  specPath !== null
    ? SpecSource.layerSpecFile(specPath)
    : options.configPath !== null
      ? SpecSource.layerFile(options.configPath)
      : SpecSource.layerControlPlane

const hintAtKeys = (config: ComputeConfig) =>
  config.compute_ctl_config.jwks.keys.length === 0
    ? Effect.logWarning(
        "there are no keys, so authorized routes answer 401; give `compute_ctl_config.jwks` with --config to change that"
      )
    : Effect.void

/** The API is loaded while the network is being waited for. Its servers close with the scope. */
const serveApi = Effect.gen(function* () {
  const servers = yield* Effect.promise(() => import("../http/server/servers.ts"))
  yield* servers.serveExternal
  yield* servers.serveInternal
})

/** Somebody asked to stop before there was anything to stop. */
class StoppedEarly extends Data.TaggedError("StoppedEarly")<Record<never, never>> {}

/** Interrupts what has no shutdown of its own when a stop is asked for. */
const orStopped = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.flatMap(StopRequests, (stops) =>
    Effect.raceFirst(effect, Effect.andThen(stops.await, Effect.fail(new StoppedEarly())))
  )

/** A compute with a spec starts at once and listens on the way; an empty one is not to be found before its memory is warm. */
const live = Effect.fnUntraced(function* (spec: ParsedSpec | null) {
  const options = yield* Options
  const state = yield* ComputeState
  const postmaster = yield* Postmaster
  const created = (yield* Clock.Clock).currentTimeNanosUnsafe()
  if (spec === null && !options.lakebaseMode) yield* orStopped(postmaster.warmUp)
  if (spec !== null) yield* state.transition("spec at start", () => ({ spec }))
  const listening = yield* Deferred.make<void>()
  const serving = Effect.yieldNow.pipe(
    Effect.andThen(serveApi),
    Effect.andThen(Deferred.succeed(listening, undefined)),
    Effect.andThen(Effect.never)
  )
  yield* Effect.forkScoped(removeCoreLimit)
  return yield* Effect.raceFirst(lifecycle(spec, created, Deferred.await(listening)), serving)
}, Effect.scoped)

/** From the first configuration on. Whatever fails here ends the process before it ever listened. */
const configured = Effect.fnUntraced(function* (given: Arguments) {
  const options = yield* Options
  const source = yield* SpecSource
  const config = yield* orStopped(source.initial)
  const spec = config.spec === null ? null : yield* Effect.fromResult(parseSpec(config.spec))
  yield* hintAtKeys(config)
  const computeId = given.computeIdFromSpec ? (spec?.spec.endpoint_id ?? options.computeId) : options.computeId
  return yield* live(spec).pipe(
    Effect.provide(layers.compute),
    Effect.provideService(MachineConfig, config.compute_ctl_config),
    Effect.provideService(Options, { ...options, computeId })
  )
})

/** Only said where there was neither an init nor a shell to be one. */
const warnOfOrphans = Effect.when(
  Effect.logError(
    "running as process 1 without an init: processes whose parent has ended stay as zombies. Start compute_ctl under tini"
  ),
  Effect.sync(isProcessOne)
)

const compute = (given: Arguments) =>
  Effect.gen(function* () {
    yield* warnOfOrphans
    yield* handleReload
    const options = yield* Options
    yield* Effect.logInfo(`compute build_tag: ${options.buildTag}`)
    const { proxies } = yield* Variables
    yield* Effect.forEach(proxies.warnings, (warning) => Effect.logWarning(warning), { discard: true })
    return yield* configured(given)
  }).pipe(
    Effect.scoped,
    Effect.provide(sourceOf(given)),
    Effect.provide(layers.machine),
    Effect.catchTag("StoppedEarly", () => Effect.succeed(1)),
    Effect.catch((error) =>
      Effect.gen(function* () {
        const chain = ErrorChain.messages(error)
        // Once: a log that is switched off is no reason to say nothing.
        yield* (yield* References.MinimumLogLevel) === "None"
          ? complain(`Error: ${ErrorChain.paragraph(chain)}`)
          : Effect.logError(ErrorChain.line(chain))
        return 1
      })
    )
  )

const logOf = (options: ComputeOptions, env: Environment) =>
  Log.layer({
    format: options.logFormat,
    filter: env.RUST_LOG,
    logDirectory: options.lakebaseMode ? env.COMPUTE_CTL_LOG_DIRECTORY || null : null
  })

/** Of those that `dev` starts; loaded for them alone. */
const handleTether = (env: Environment) =>
  env.COMPUTE_CTL_TETHER === "stdin"
    ? Effect.flatMap(
        Effect.promise(() => import("../layers/compute/stop/Tether.ts")),
        (tether) => tether.handleTether
      )
    : Effect.void

/** The drop-in form. Succeeds with the exit code. */
export const run = (argv: ReadonlyArray<string>, env: Environment): Effect.Effect<number> => {
  if (wantsHelp(argv)) return Effect.as(print(helpText()), 0)
  const parsed = parseArguments(argv, env)
  if (Result.isFailure(parsed)) return Effect.as(complain(explain(parsed.failure)), 2)
  const fit = checkMachine(parsed.success.options, env)
  if (Result.isFailure(fit)) return Effect.as(complain(`Error: ${fit.failure.message}`), 1)
  const given: Arguments = { ...parsed.success, options: fit.success }
  divert("stdout")
  comeLast()
  // Signals first: from here on nothing that was started is left behind by one.
  return handleSignals.pipe(
    Effect.tap(() => nameProcess),
    Effect.andThen(handleTether(env)),
    Effect.andThen(compute(given)),
    Effect.scoped,
    Effect.provide(Uncaught.layer),
    Effect.provide(StopRequests.layer),
    Effect.provide(layerFailpoints(env)),
    Effect.provide(Telemetry.layer(env, { id: given.options.computeId, version: given.options.buildTag })),
    Effect.provide(logOf(given.options, env)),
    Effect.provideService(Options, given.options)
  )
}

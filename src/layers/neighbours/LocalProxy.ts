/**
 * local_proxy, which authenticates HTTP queries with JWTs. Init runs it; we write its configuration and have it read that.
 * It holds a lock on its pid file for as long as it lives: an unlocked file is a leftover.
 *
 * Source: `compute_tools/src/local_proxy.rs`.
 */
import { stat } from "node:fs/promises"
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { fileIdentity, isFlocked } from "../../domain/postgres/ProcLocks.ts"
import type { LocalProxyConfig, TlsConfig } from "../../domain/spec/ComputeSpec.ts"
import { effectiveTls, type ParsedSpec } from "../../domain/spec/ParsedSpec.ts"
import { MachineConfig } from "../compute/Options.ts"
import { Places } from "../machine/Places.ts"
import { readPid, signalPid } from "../machine/pids.ts"
import { limits, readText } from "../machine/RegularFile.ts"
import { replaceFile } from "../machine/replaceFile.ts"
import { Metrics } from "../observe/Metrics.ts"
import { told } from "./told.ts"

/** Its configuration could not be written. */
export class LocalProxyFailed extends Data.TaggedError("LocalProxyFailed")<{ readonly message: string }> {}

export class LocalProxy extends Context.Service<
  LocalProxy,
  {
    /** Writes the spec's configuration, if it has one, and tells a running local_proxy. */
    readonly configure: (spec: ParsedSpec) => Effect.Effect<void, LocalProxyFailed>
    readonly stop: Effect.Effect<void>
  }
>()("compute/LocalProxy") {
  static readonly layer = Layer.effect(this, Effect.gen(make))
}

/** Two spaces, no newline at the end; members in the order the wire names them. */
const render = (config: LocalProxyConfig, tls: TlsConfig | null): string => {
  const jwks = config.jwks?.map(({ id, role_names, jwks_url, provider_name, jwt_audience }) => ({
    id,
    role_names,
    jwks_url,
    provider_name,
    jwt_audience
  }))
  const { key_path, cert_path } = tls ?? {}
  return JSON.stringify({ jwks, ...(tls !== null && { tls: { key_path, cert_path } }) }, null, 2)
}

function* make() {
  const { localProxy: at } = yield* Places
  const machine = yield* MachineConfig
  const metrics = yield* Metrics

  /** The pid of a local_proxy that runs. */
  const running = Effect.gen(function* () {
    const pid = yield* readPid(at.pidFile)
    if (pid === null) return null
    const held = yield* Effect.gen(function* () {
      const { dev, ino } = yield* Effect.tryPromise(() => stat(at.pidFile, { bigint: true }))
      const locks = yield* readText("/proc/locks", limits.document)
      return isFlocked(locks, fileIdentity(dev, ino), pid)
    }).pipe(Effect.orElseSucceed(() => false))
    return held ? pid : null
  })

  const tell = Effect.fnUntraced(function* (signal: NodeJS.Signals) {
    const pid = yield* running
    if (pid === null) return
    yield* Effect.logInfo(`sending ${signal} to local_proxy with pid ${pid}`)
    yield* signalPid(pid, signal)
  })

  return LocalProxy.of({
    configure: ({ spec }) =>
      Effect.gen(function* () {
        if (spec.local_proxy_config === null) return
        const text = render(spec.local_proxy_config, effectiveTls(spec, machine.tls))
        yield* Effect.mapError(
          replaceFile(at.config, text),
          ({ message }) => new LocalProxyFailed({ message: `could not write ${message}` })
        )
        yield* tell("SIGHUP")
      }).pipe(told("local_proxy", metrics), Effect.withSpan("configure local_proxy")),
    stop: tell("SIGTERM")
  })
}

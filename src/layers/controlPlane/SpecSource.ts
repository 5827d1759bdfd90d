/**
 * Where the configuration comes from: a file, the control plane, or (later, over HTTP) `POST /configure`.
 *
 * Source: `compute_tools/src/spec.rs`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { ComputeConfig } from "../../domain/spec/ComputeConfig.ts"
import { Options } from "../compute/Options.ts"
import { Metrics } from "../observe/Metrics.ts"
import { readBareSpec, readConfig } from "./file.ts"
import type { NoConfig } from "./NoConfig.ts"

export { NoConfig } from "./NoConfig.ts"

export class SpecSource extends Context.Service<
  SpecSource,
  {
    /** The first configuration. */
    readonly initial: Effect.Effect<ComputeConfig, NoConfig>
    /** The current one; its spec is null when the compute was detached. */
    readonly refetch: Effect.Effect<ComputeConfig, NoConfig>
  }
>()("compute/SpecSource") {
  /** `config.json`, read anew at each refresh. */
  static readonly layerFile = (file: string) =>
    Layer.succeed(this, { initial: withKeysNamed(readConfig(file)), refetch: readConfig(file) })

  /** A spec without keys. */
  static readonly layerSpecFile = (file: string) =>
    Layer.succeed(this, { initial: readBareSpec(file), refetch: readBareSpec(file) })

  /** `--control-plane-uri`. */
  static readonly layerControlPlane = Layer.effect(
    this,
    Effect.gen(function* () {
      const { controlPlaneUri, controlPlaneToken, computeId } = yield* Options
      const metrics = yield* Metrics
      const fetched = Effect.promise(() => import("./controlPlane.ts")).pipe(
        Effect.flatMap(({ fetchConfig }) => fetchConfig(controlPlaneUri ?? "", computeId, controlPlaneToken, metrics))
      )
      return { initial: withKeysNamed(fetched), refetch: fetched }
    })
  )
}

/** A key that this version cannot use verifies nothing; whoever wonders why finds it in the log. */
const withKeysNamed = (initial: Effect.Effect<ComputeConfig, NoConfig>): Effect.Effect<ComputeConfig, NoConfig> =>
  Effect.tap(initial, (config) =>
    Effect.forEach(config.compute_ctl_config.jwks.unusable ?? [], (reason) => Effect.logWarning(`jwks: ${reason}`))
  )

/**
 * Where the configuration comes from: a file, the control plane, or (later, over HTTP) `POST /configure`.
 *
 * Source: `compute_tools/src/spec.rs`.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import type * as Effect from "effect/Effect"
import type { ComputeConfig } from "../domain/ComputeConfig.ts"

/** The configuration could not be had; `message` names the file or the request and the JSON path. */
export class NoConfig extends Data.TaggedError("NoConfig")<{ readonly message: string }> {}

export class SpecSource extends Context.Tag("compute/SpecSource")<
  SpecSource,
  {
    /** The first configuration. */
    readonly initial: Effect.Effect<ComputeConfig, NoConfig>
    /** The current one; its spec is null when the compute was detached. */
    readonly refetch: Effect.Effect<ComputeConfig, NoConfig>
  }
>() {}

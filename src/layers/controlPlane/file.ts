/**
 * The configuration in a file, read anew each time it is asked for.
 */
import * as Effect from "effect/Effect"
import type * as Schema from "effect/Schema"
import { decodeSteps } from "../../domain/json/decode/Decode.ts"
import { ComputeConfig } from "../../domain/spec/ComputeConfig.ts"
import { ComputeSpec } from "../../domain/spec/ComputeSpec.ts"
import { resultInSlices } from "../compute/clock/Slices.ts"
import { limits, readText } from "../machine/RegularFile.ts"
import { NoConfig } from "./NoConfig.ts"

const readDocument = (file: string) =>
  Effect.mapError(readText(file, limits.document), ({ message }) => new NoConfig({ message }))

const decodeFile = <A, I>(file: string, schema: Schema.Codec<A, I>): Effect.Effect<A, NoConfig> =>
  readDocument(file).pipe(
    Effect.flatMap((text) => resultInSlices(decodeSteps(schema, text, { trailing: "refuse" }))),
    Effect.mapError(({ message }) => new NoConfig({ message: `${file}: ${message}` }))
  )

export const readConfig = (file: string): Effect.Effect<ComputeConfig, NoConfig> => decodeFile(file, ComputeConfig)

/** A spec and nothing else: there are no keys then, and no TLS. */
export const readBareSpec = (file: string): Effect.Effect<ComputeConfig, NoConfig> =>
  Effect.map(decodeFile(file, ComputeSpec), (spec) => ({
    spec,
    compute_ctl_config: { jwks: { keys: [] }, tls: null }
  }))

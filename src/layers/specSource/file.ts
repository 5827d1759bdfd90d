/**
 * The configuration in a file, read anew each time it is asked for.
 */
import * as fs from "node:fs"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import type * as Schema from "effect/Schema"
import { ComputeConfig } from "../../domain/ComputeConfig.ts"
import { ComputeSpec } from "../../domain/ComputeSpec.ts"
import { decodeSteps } from "../../domain/Decode.ts"
import { inSlices } from "../Slices.ts"
import { NoConfig } from "./NoConfig.ts"

const readText = (file: string) =>
  Effect.try({
    try: () => fs.readFileSync(file, "utf8"),
    catch: (error) => new NoConfig({ message: `${file}: ${error instanceof Error ? error.message : "unreadable"}` })
  })

const decodeFile = <A, I>(file: string, schema: Schema.Schema<A, I>): Effect.Effect<A, NoConfig> =>
  readText(file).pipe(
    Effect.flatMap((text) => inSlices(decodeSteps(schema, text, { trailing: "refuse" }))),
    Effect.flatMap(Either.mapLeft(({ message }) => new NoConfig({ message: `${file}: ${message}` })))
  )

export const readConfig = (file: string): Effect.Effect<ComputeConfig, NoConfig> => decodeFile(file, ComputeConfig)

/** A spec and nothing else: there are no keys then, and no TLS. */
export const readBareSpec = (file: string): Effect.Effect<ComputeConfig, NoConfig> =>
  Effect.map(decodeFile(file, ComputeSpec), (spec) => ({
    spec,
    compute_ctl_config: { jwks: { keys: [] }, tls: null }
  }))

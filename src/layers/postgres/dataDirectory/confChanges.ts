/**
 * What another spec would change in `postgresql.conf`. Loaded when somebody asks: no start does.
 */
import * as Effect from "effect/Effect"
import { settingChanges } from "../../../domain/conf/Difference.ts"
import type { ParsedSpec } from "../../../domain/spec/ParsedSpec.ts"
import type { ComputeOptions } from "../../compute/Options.ts"
import { confFile, rendered } from "./conf.ts"
import { readText } from "./files.ts"

export const confChanges = Effect.fnUntraced(function* (options: ComputeOptions, spec: ParsedSpec, tls: boolean) {
  const present = yield* readText(confFile(options.pgdata))
  return present === null ? [] : settingChanges(present, yield* rendered(options, spec, tls))
})

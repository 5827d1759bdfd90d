/**
 * A verb that asks one compute.
 */
import * as Effect from "effect/Effect"
import type { Refused, Target, Unreachable, Unreadable } from "../../../http/client.ts"
import type { UsageError } from "../../flags.ts"
import { complain } from "../../output.ts"
import { explained, type TargetOptions, targetOf } from "./target.ts"

const FAILED = 1

export interface AskOptions extends TargetOptions {
  readonly json: boolean
}

/** Exit code 1, with what can be done about it, where it could not be asked. */
export const asking = (
  given: TargetOptions,
  use: (target: Target) => Effect.Effect<number, Refused | Unreachable | Unreadable>
): Effect.Effect<number, UsageError> =>
  Effect.flatMap(targetOf(given), (target) =>
    Effect.catch(use(target), (error) => Effect.as(complain(`Error: ${explained(error, target)}`), FAILED))
  )

/**
 * What the commands of all verbs have in common.
 */

import * as Context from "effect/Context"
import * as Command from "effect/cli/Command"
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import type { UsageError } from "../../flags.ts"
import { misused } from "../../output.ts"
import { type Verb, words } from "../words.ts"

/** The exit code of the verb that runs. */
export class Outcome extends Context.Service<Outcome, Ref.Ref<number>>()("cli/Outcome") {}

/** Loads what a verb does, runs it, and keeps its exit code. */
export const does =
  <A>(load: () => Promise<(given: A) => Effect.Effect<number, UsageError>>) =>
  (given: A) =>
    Effect.gen(function* () {
      const run = yield* Effect.promise(load)
      yield* Ref.set(yield* Outcome, yield* Effect.catch(run(given), misused))
    })

/** The help: a word in the list of verbs, the word and more on the verb's own page. */
export const explained = (
  verb: Verb,
  more: string,
  ...examples: ReadonlyArray<readonly [command: string, says: string]>
) => {
  const word = words[verb]
  const lines = [`compute_ctl ${verb}: ${word}.`, ...more.split("\n")]
  return <Name extends string, Input, Given, E, R>(command: Command.Command<Name, Input, Given, E, R>) =>
    command.pipe(
      Command.withDescription(lines.join("\n  ")),
      Command.withShortDescription(word),
      Command.withExamples(
        examples.map(([given, description]) => ({
          command: `compute_ctl ${verb}${given === "" ? "" : ` ${given}`}`,
          description
        }))
      )
    )
}

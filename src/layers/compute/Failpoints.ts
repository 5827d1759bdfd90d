/**
 * Failpoints of a process that tests drive. In every other they do not exist.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Stream from "effect/Stream"
import * as SubscriptionRef from "effect/SubscriptionRef"
import { type Action, type Failpoint, parseAction, parseList } from "../../domain/observe/Failpoints.ts"

export class BadFailpoint extends Data.TaggedError("BadFailpoint")<{ readonly message: string }> {}

export interface FailpointsShape {
  readonly enabled: boolean
  /** The value of a `return`, when one is set there; whatever else is set happens first. */
  readonly hit: (name: Failpoint) => Effect.Effect<Option.Option<string>>
  readonly set: (name: string, action: string) => Effect.Effect<void, BadFailpoint>
}

const none: FailpointsShape = { enabled: false, hit: () => Effect.succeedNone, set: () => Effect.void }

/** The variable that makes a process one for tests. */
const SWITCH = "COMPUTE_CTL_TESTING"

export const Failpoints = Context.Reference<FailpointsShape>("compute/Failpoints", { defaultValue: () => none })

/** `FAILPOINTS` sets some from the start; one that is not understood is said and left out. */
export const layerFailpoints = (env: Readonly<Record<string, string | undefined>>): Layer.Layer<never> =>
  env[SWITCH] === "1"
    ? Layer.effect(
        Failpoints,
        Effect.suspend(() => make(env["FAILPOINTS"] ?? ""))
      )
    : Layer.empty

const make = Effect.fnUntraced(function* (given: string) {
  const actions = yield* SubscriptionRef.make<ReadonlyMap<string, Action>>(new Map())
  const act = (name: string, action: Action): Effect.Effect<Option.Option<string>> => {
    switch (action._tag) {
      case "Return":
        return Effect.succeedSome(action.value)
      case "Sleep":
        return Effect.as(Effect.sleep(action.millis), Option.none())
      case "Pause":
        return SubscriptionRef.changes(actions).pipe(
          Stream.filter((now) => now.get(name) !== action),
          Stream.runHead,
          Effect.as(Option.none())
        )
      case "Panic":
        return Effect.die(new Error(action.message))
      case "Exit":
        return Effect.sync(() => process.exit(1))
    }
  }
  const set = (name: string, text: string) =>
    Result.match(parseAction(text), {
      onFailure: (message) =>
        Effect.fail(new BadFailpoint({ message: `failed to configure failpoint '${name}': ${message}` })),
      onSuccess: (action) =>
        Effect.andThen(
          Effect.logInfo(`cfg failpoint: ${name} ${text}`),
          SubscriptionRef.update(actions, (before) => {
            const after = new Map(before)
            after.delete(name)
            return action === null ? after : after.set(name, action)
          })
        )
    })
  for (const [name, action] of parseList(given)) {
    yield* Effect.catch(set(name, action), ({ message }) => Effect.logWarning(message))
  }
  const failpoints: FailpointsShape = {
    enabled: true,
    set,
    hit: (name) =>
      Effect.flatMap(SubscriptionRef.get(actions), (now) => {
        const action = now.get(name)
        return action === undefined ? Effect.succeedNone : act(name, action)
      })
  }
  return failpoints
})

/** For places that fail as a whole: with the failpoint's name. */
export const failAt = <E>(name: Failpoint, error: (message: string) => E): Effect.Effect<void, E> =>
  Effect.flatMap(Failpoints, ({ hit }) =>
    Effect.flatMap(
      hit(name),
      Option.match({ onNone: () => Effect.void, onSome: () => Effect.fail(error(`${name} failpoint`)) })
    )
  )

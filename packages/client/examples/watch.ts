/**
 * Prints what happens to a compute until it is terminated.
 */
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Compute from "../src/Compute.ts"

const line = (event: Compute.Event): string => {
  switch (event.kind) {
    case "state":
      return event.cause === null ? `it is ${event.status}` : `${event.cause}: ${event.status}`
    case "wait":
      return `${event.state} to wait for ${event.name}`
    default:
      return event.kind
  }
}

export const watch = (target: Compute.Target, print: (line: string) => Effect.Effect<void>) =>
  Effect.flatMap(Compute.make(target), ({ events }) => Stream.runForEach(events, (event) => print(line(event))))

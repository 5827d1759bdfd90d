/**
 * `GET /events`: what happens, as server-sent events.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Stream from "effect/Stream"
import type { Event } from "../../../domain/status/Event.ts"
import { ComputeState } from "../../../layers/compute/ComputeState.ts"
import { wallMillisUnsafe } from "../../../layers/compute/clock/WallClock.ts"
import { History } from "../../../layers/compute/History.ts"
import { Unavailable } from "../../api/shapes/Refusal.ts"
import { toIso } from "../../api/shapes/StatusDetail.ts"
import { refuse } from "./answers.ts"

/** Proxies close what is silent for a minute. */
const beat = Stream.tick("15 seconds").pipe(Stream.drop(1), Stream.as(":\n\n"))

const line = (event: Event): string => `event: ${event.kind}\ndata: ${JSON.stringify(event)}\n\n`

/** Ends the answer, and with it the connection. */
const interruptOf = Effect.withFiber((fiber) => Effect.succeed(() => fiber.interruptUnsafe()))

export const events = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const history = yield* History
  // Before the look at the state: it may change in between.
  const heard = yield* history.listen(yield* interruptOf)
  if (heard === null) return yield* refuse(Unavailable, "there are too many listeners")
  const { error, status } = yield* ComputeState.current
  const at = toIso(wallMillisUnsafe(clock))
  const present: Event = { version: 1, kind: "state", at, from: null, status, cause: null, error }
  const lines = Stream.concat(Stream.make(present), status === "terminated" ? Stream.empty : heard).pipe(
    Stream.map(line),
    Stream.merge(beat, { haltStrategy: "left" }),
    Stream.encodeText
  )
  return HttpServerResponse.stream(lines, {
    contentType: "text/event-stream",
    headers: { "cache-control": "no-store" }
  })
})

/**
 * Tells when something has happened to a compute, by its `/events`.
 */
import * as Effect from "effect/Effect"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import type * as Scope from "effect/Scope"
import { withoutSlashes } from "../../../../domain/api/BaseUrl.ts"
import type { Target } from "../../../../http/client.ts"

/** Events come in bursts: what happens in this time is one look's worth. */
const BURST = "200 millis"
/** An older build, the original, or too many listeners: asked again, in case it is another process by now. */
const AGAIN = "10 seconds"

const listen = ({ token, url }: Target, heard: () => void) =>
  Effect.tryPromise(async (signal) => {
    const authorization = token === null ? {} : { authorization: `Bearer ${Redacted.value(token)}` }
    const headers = { accept: "text/event-stream", ...authorization }
    const answer = await fetch(`${withoutSlashes(url)}/events`, { headers, signal })
    if (!answer.ok || answer.body === null) throw new Error(`it answered ${answer.status}`)
    for await (const _ of answer.body) heard()
  }).pipe(Effect.ignore, Effect.repeat(Schedule.spaced(AGAIN)))

/** An effect that ends when something has happened since it ended last, or after `period`. Listens until the scope closes. */
export const changes = (target: Target, period: "2 seconds"): Effect.Effect<Effect.Effect<void>, never, Scope.Scope> =>
  Effect.gen(function* () {
    const happened = yield* Queue.sliding<void>(1)
    yield* Effect.forkScoped(listen(target, () => void Queue.offerUnsafe(happened, undefined)))
    return Effect.raceFirst(
      Effect.sleep(period),
      Queue.take(happened).pipe(Effect.andThen(Effect.sleep(BURST)), Effect.andThen(Queue.clear(happened)))
    )
  })

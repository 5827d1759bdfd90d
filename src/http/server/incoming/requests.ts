/**
 * The fibers that answer requests. They belong to the server: a connection that ends only interrupts those whose work is of
 * no use without it.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import type { HttpServerRequest } from "effect/http/HttpServerRequest"
import type * as Scope from "effect/Scope"
import type { Metrics } from "../../../layers/observe/Metrics.ts"
import type { Audience } from "../../api/traits.ts"
import { json, type Response } from "../answers/answers.ts"
import { type App, type AtHand, dispatch, dispatchAtHand } from "../dispatch.ts"
import type { Table } from "../table.ts"
import * as Bodies from "./bodies.ts"
import { requestOf, send, sendNow } from "./exchange.ts"
import { Request } from "./Request.ts"

/** What a handler needs besides its request. */
export type Needs<R> = Exclude<Exclude<Exclude<R, HttpServerRequest>, Request>, Scope.Scope>

export interface Requests {
  readonly handler: RequestListener
  /** Waits for the requests at work; those that take too long are interrupted and answered with 503. */
  readonly settled: Effect.Effect<void>
}

const PATIENCE_MS = 1000
const LAST_WORDS_MS = 500
const STEP_MS = 5

/** Work goes on without its client; who leaves at once and comes again would pile it up. */
const MAX_ACTIVE = 1000

const leaving = json(503, { error: "compute_ctl is shutting down" })
const busy = json(503, { error: "too many requests are under way" })

export const make = <R>(
  app: App<R>,
  find: Table,
  server: Audience,
  atHand: AtHand
): Effect.Effect<Requests, never, Needs<R> | Metrics> =>
  Effect.map(Effect.context<Needs<R> | Metrics>(), (context) => {
    const runFork = Effect.runForkWith(context)
    const bodies = Bodies.make()
    const active = new Set<Fiber.Fiber<unknown>>()

    const handler = (message: IncomingMessage, target: ServerResponse): void => {
      const request = requestOf(message, target, bodies)
      const resource = find(request.path)
      const withBody = request.method !== "HEAD"
      const route = resource?.methods.get(request.method)
      if (active.size >= MAX_ACTIVE && route?.quiet !== true) {
        sendNow(target, busy, request.id, withBody)
        return
      }
      const sent = (response: Response) => send(target, response, request.id, withBody)
      const known = route === undefined ? null : atHand.get(request.path)?.(request)
      const fiber = runFork(
        known == null
          ? dispatch(app, resource, request, server).pipe(
              Effect.flatMap(sent),
              Effect.provideService(Request, request),
              Effect.scoped
            )
          : dispatchAtHand(known, resource, request, server, sent)
      )
      if (fiber.pollUnsafe() !== undefined) return
      active.add(fiber)
      fiber.addObserver((exit) => {
        active.delete(fiber)
        if (exit._tag === "Failure") sendNow(target, leaving, request.id, withBody)
      })
      if (route?.cancelled !== true) return
      target.once("close", () => {
        if (!target.writableFinished) fiber.interruptUnsafe()
      })
    }

    const quiet = Effect.fnUntraced(function* (limit: number) {
      for (let waited = 0; active.size > 0 && waited < limit; waited += STEP_MS) yield* Effect.sleep(STEP_MS)
    })

    return {
      handler,
      settled: Effect.gen(function* () {
        yield* quiet(PATIENCE_MS)
        for (const fiber of active) fiber.interruptUnsafe()
        yield* quiet(LAST_WORDS_MS)
      })
    }
  })

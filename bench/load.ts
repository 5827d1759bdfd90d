/**
 * Requests from another process.
 */
import { type ChildProcess, fork } from "node:child_process"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

export interface Order {
  readonly port: number
  readonly path: string
  readonly token: string | null
  /** Kept alive, each with one request at a time. */
  readonly connections: number
  readonly until: { readonly millis: number } | { readonly requests: number }
  /** Milliseconds before each request of a connection. */
  readonly pause: number
}

export interface Load {
  readonly perSecond: number
  /** Milliseconds of every request. */
  readonly taken: ReadonlyArray<number>
}

export type Client = (order: Order) => Effect.Effect<Load, Error>

const answersOf = (child: ChildProcess): Client => {
  let last = 0
  return (order) =>
    Effect.callback<Load, Error>((resume) => {
      last += 1
      const id = last
      const listen = ([of, load]: [number, Load | string]) => {
        if (of !== id) return
        child.off("message", listen)
        resume(typeof load === "string" ? Effect.fail(new Error(load)) : Effect.succeed(load))
      }
      child.on("message", listen)
      child.send([id, order])
    })
}

/** Until the scope closes. */
export const startClient: Effect.Effect<Client, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => fork(new URL("./load/client.ts", import.meta.url))),
    (child) => Effect.sync(() => child.kill())
  ),
  answersOf
)

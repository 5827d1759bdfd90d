/**
 * The control plane's one answer to a compute: what it is to run.
 *
 * Source: `compute_tools/src/spec.rs`.
 */
import * as Effect from "effect/Effect"
import type { World } from "../World.ts"
import { type Response, serveHttp, text } from "./HttpServer.ts"

const route = /^\/compute\/api\/v2\/computes\/(.+)\/spec$/

export const controlPlane = (world: World, host: string, port: number) =>
  serveHttp(
    host,
    port,
    (request): Effect.Effect<Response> => {
      const id = route.exec(request.path)?.[1]
      if (id === undefined) return Effect.succeed(text(404, "no such route"))
      if (request.method !== "GET") return Effect.succeed(text(405, ""))
      const answer = world.specs.get(decodeURIComponent(id)) ?? world.specs.get("*")
      return Effect.succeed(
        answer === undefined ? text(404, `compute ${id} is unknown`) : { ...answer, type: "application/json" }
      )
    },
    { world, peer: "control" }
  )

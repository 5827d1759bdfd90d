/**
 * The control plane's one answer to a compute: what it is to run.
 *
 * Source: `compute_tools/src/spec.rs`.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import type { World } from "../World.ts"
import { serveHttp, text } from "./HttpServer.ts"

const routes = (world: World) =>
  Layer.mergeAll(
    HttpRouter.add("*", "*", text(404, "no such route")),
    HttpRouter.add("*", "/compute/api/v2/computes/:id/spec", ({ method }) =>
      Effect.map(HttpRouter.params, ({ id = "" }) => {
        if (method !== "GET") return text(405, "")
        const answer = world.specs.get(id) ?? world.specs.get("*")
        if (answer === undefined) return text(404, `compute ${id} is unknown`)
        return HttpServerResponse.text(answer.body, { status: answer.status, contentType: "application/json" })
      })
    )
  )

export const controlPlane = (world: World, host: string, port: number) =>
  serveHttp(host, port, routes(world), { world, peer: "control" })

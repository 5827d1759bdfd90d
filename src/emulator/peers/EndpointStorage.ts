/**
 * The store of endpoints' objects (the cache state of computes): GET, PUT and DELETE below `/tenant/timeline/endpoint/`.
 *
 * Source: `endpoint_storage/src/{app,claims,lib}.rs`.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type { World } from "../World.ts"
import { bodyOf, bytes, pathOf, type Request, type Response, serveHttp, text } from "./HttpServer.ts"
import * as Tokens from "./Tokens.ts"

/** The web framework's default limit, which strikes before the configured one. */
const bodyLimit = 2 * 1024 * 1024

interface Key {
  readonly tenant: string
  readonly timeline: string | undefined
  readonly endpoint: string | undefined
  readonly object: string
}

const keyOf = (path: string): Key | undefined => {
  const [tenant = "", timeline, endpoint, ...rest] = path.slice(1).split("/").map(decodeURIComponent)
  const object = rest.join("/")
  return tenant === "" || rest.includes("..") ? undefined : { tenant, timeline, endpoint, object }
}

/** Why the token does not open this key; undefined = it does. Reading ignores the endpoint: replicas read their primary's. */
const refusal = (world: World, { headers, method }: Request, key: Key, now: number): Response | undefined => {
  const token = /^Bearer (.+)$/i.exec(headers["authorization"] ?? "")?.[1]
  if (token === undefined) return text(400, "missing or invalid authorization token")
  if (world.storageKeys.length === 0) return undefined
  const checked = Tokens.check(world.storageKeys, token, now)
  if (Result.isFailure(checked)) return text(400, `invalid token: ${checked.failure}`)
  const claims = checked.success
  const isForKey =
    claims.tenant_id === key.tenant &&
    (key.timeline === undefined || claims.timeline_id === key.timeline) &&
    (key.endpoint === undefined || method === "GET" || claims.endpoint_id === key.endpoint)
  return isForKey ? undefined : text(401, "claims do not match")
}

const act = (world: World, method: string, path: string, key: Key, body: Buffer): Response => {
  const { objects } = world
  const isObject = key.object !== ""
  if (!isObject) {
    if (method !== "DELETE") return text(405, "")
    const prefix = `${path.replace(/\/$/, "")}/`
    for (const name of objects.keys()) if (name.startsWith(prefix)) objects.delete(name)
    return text(200, "")
  }
  switch (method) {
    case "GET": {
      const found = objects.get(path)
      return found === undefined ? text(404, path) : bytes(found)
    }
    case "PUT": {
      if (body.length > bodyLimit) return text(413, "length limit exceeded")
      objects.set(path, body)
      return text(200, "")
    }
    case "DELETE":
      return objects.delete(path) ? text(200, "") : text(404, path)
    default:
      return text(405, "")
  }
}

const routes = (world: World) =>
  Layer.mergeAll(
    HttpRouter.add("GET", "/status", text(200, "")),
    HttpRouter.add("GET", "/metrics", text(200, "")),
    HttpRouter.add("*", "*", (request) =>
      Effect.gen(function* () {
        const body = yield* bodyOf(request)
        const path = pathOf(request)
        const key = keyOf(path)
        if (key === undefined) return text(400, `invalid key ${path}`)
        return (
          refusal(world, request, key, yield* Clock.currentTimeMillis) ?? act(world, request.method, path, key, body)
        )
      })
    )
  )

export const endpointStorage = (world: World, host: string, port: number) =>
  serveHttp(host, port, routes(world), { world, peer: "storage" })

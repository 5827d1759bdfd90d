/**
 * The store of endpoints' objects (the cache state of computes): GET, PUT and DELETE below `/tenant/timeline/endpoint/`.
 *
 * Source: `endpoint_storage/src/{app,claims,lib}.rs`.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { World } from "../World.ts"
import { type Request, type Response, serveHttp, text } from "./HttpServer.ts"
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
const refusal = (world: World, request: Request, key: Key, now: number): Response | undefined => {
  const token = /^Bearer (.+)$/i.exec(request.headers.authorization ?? "")?.[1]
  if (token === undefined) return text(400, "missing or invalid authorization token")
  if (world.storageKeys.length === 0) return undefined
  const checked = Tokens.check(world.storageKeys, token, now)
  if (Result.isFailure(checked)) return text(400, `invalid token: ${checked.failure}`)
  const claims = checked.success
  const isForKey =
    claims.tenant_id === key.tenant &&
    (key.timeline === undefined || claims.timeline_id === key.timeline) &&
    (key.endpoint === undefined || request.method === "GET" || claims.endpoint_id === key.endpoint)
  return isForKey ? undefined : text(401, "claims do not match")
}

const act = (world: World, request: Request, key: Key): Response => {
  const { objects } = world
  const isObject = key.object !== ""
  if (!isObject) {
    if (request.method !== "DELETE") return text(405, "")
    const prefix = `${request.path.replace(/\/$/, "")}/`
    for (const name of objects.keys()) if (name.startsWith(prefix)) objects.delete(name)
    return text(200, "")
  }
  switch (request.method) {
    case "GET": {
      const found = objects.get(request.path)
      return found === undefined
        ? text(404, request.path)
        : { status: 200, type: "application/octet-stream", body: found }
    }
    case "PUT": {
      if (request.body.length > bodyLimit) return text(413, "length limit exceeded")
      objects.set(request.path, request.body)
      return text(200, "")
    }
    case "DELETE":
      return objects.delete(request.path) ? text(200, "") : text(404, request.path)
    default:
      return text(405, "")
  }
}

export const endpointStorage = (world: World, host: string, port: number) =>
  serveHttp(
    host,
    port,
    (request) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        if (request.path === "/status") return text(200, "")
        if (request.path === "/metrics") return text(200, "")
        const key = keyOf(request.path)
        if (key === undefined) return text(400, `invalid key ${request.path}`)
        return refusal(world, request, key, now) ?? act(world, request, key)
      }),
    { world, peer: "storage" }
  )

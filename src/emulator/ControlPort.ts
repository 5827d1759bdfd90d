/**
 * The emulator's own HTTP port: faults, positions and the control plane's answers go in, what was asked comes out.
 * The `--sync-safekeepers` stand-in comes here too.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { TenantId, TimelineId } from "../domain/spec/Ids.ts"
import * as Lsn from "../domain/spec/Lsn.ts"
import { Faults, Natural, Peer } from "./Fault.ts"
import { bodyOf, bytes, json, type Request, type Response, serveHttp, text } from "./peers/HttpServer.ts"
import { sync } from "./postgres/sync.ts"
import type { Timeline, World } from "./World.ts"

export const help = `GET    /               this text
GET    /addresses      where everything listens
GET    /asked          what the peers were asked, in order; ?peer=safekeeper for one of them
DELETE /asked          forgets it
GET    /faults         the faults that still act
POST   /faults         adds one fault or a list:
                       {"peer":"pageserver","match":"basebackup","times":2,"action":{"do":"error","code":"XX000","message":"no"}}
                       peers:   safekeeper pageserver grpc storage control extensions sync
                       actions: refuse | delay ms | silence [after] | cut after | error code message [after] | corrupt at
                                | raw bytes [repeat] [close] (base64) | slow bytesPerSecond | lsn flush commit | missing | denied | lease ms-or-null
                                | print stdout exit
PUT    /faults         replaces all
DELETE /faults         removes all
GET    /timelines      the timelines and their positions
POST   /timelines      {"tenant_id","timeline_id","from"}: a new one with the content of timeline "from", or of a new cluster
DELETE /timelines      {"tenant_id","timeline_id"}
POST   /lsn            {"flush","commit"} with optional tenant_id, timeline_id, "member" (one safekeeper), "gc_cutoff", "archived"
POST   /spec           {"compute_id","status","body"}: what the control plane answers; compute_id "*" = all others
`

const position = Schema.Struct({
  tenant_id: Schema.optional(TenantId),
  timeline_id: Schema.optional(TimelineId),
  member: Schema.optional(Natural),
  flush: Schema.optional(Lsn.Lsn),
  commit: Schema.optional(Lsn.Lsn),
  gc_cutoff: Schema.optional(Lsn.Lsn),
  archived: Schema.optional(Schema.Boolean)
})

const named = Schema.Struct({
  tenant_id: TenantId,
  timeline_id: TimelineId,
  from: Schema.optional(TimelineId)
})

const specAnswer = Schema.Struct({
  compute_id: Schema.String.pipe(Schema.withDecodingDefaultType(Effect.succeed("*"))),
  status: Schema.Int.pipe(Schema.withDecodingDefaultType(Effect.succeed(200))),
  body: Schema.Unknown
})

/** The answer to a request whose body is of `schema`. */
const given =
  <A, I>(schema: Schema.Codec<A, I>, use: (body: A, request: Request) => Response) =>
  (request: Request): Effect.Effect<Response> =>
    Effect.map(bodyOf(request), (body) =>
      Result.match(Schema.decodeResult(Schema.fromJsonString(schema))(body.toString()), {
        onFailure: (fault) => text(400, `${fault.message}\n`),
        onSuccess: (value) => use(value, request)
      })
    )

const show = (timeline: Timeline) => ({
  tenant_id: timeline.tenant,
  timeline_id: timeline.timeline,
  flush: Lsn.format(timeline.flush),
  commit: Lsn.format(timeline.commit),
  gc_cutoff: Lsn.format(timeline.gcCutoff),
  archived: timeline.isArchived,
  members: Object.fromEntries(
    Array.from(timeline.members, ([member, at]) => [
      member,
      { flush: Lsn.format(at.flush), commit: Lsn.format(at.commit) }
    ])
  )
})

/** Sets positions of one timeline, or of all that fit. */
const move = (world: World, wanted: typeof position.Type): Response => {
  const fitting = Array.from(world.timelines.values()).filter(
    (timeline) =>
      (wanted.tenant_id === undefined || wanted.tenant_id === timeline.tenant) &&
      (wanted.timeline_id === undefined || wanted.timeline_id === timeline.timeline)
  )
  for (const timeline of fitting) {
    const flush = wanted.flush ?? wanted.commit
    const commit = wanted.commit ?? wanted.flush
    if (flush !== undefined && commit !== undefined) {
      if (wanted.member !== undefined) timeline.members.set(wanted.member, { flush, commit })
      else {
        timeline.members.clear()
        timeline.flush = flush
        timeline.commit = commit
      }
    }
    timeline.gcCutoff = wanted.gc_cutoff ?? timeline.gcCutoff
    timeline.isArchived = wanted.archived ?? timeline.isArchived
  }
  return fitting.length === 0 ? text(404, "no such timeline\n") : json(200, fitting.map(show))
}

const addTimeline = (world: World, wanted: typeof named.Type): Response => {
  const all = Array.from(world.timelines.values())
  const from = wanted.from === undefined ? all[0] : all.find((timeline) => timeline.timeline === wanted.from)
  if (from === undefined) return text(404, "nothing to copy from\n")
  return json(201, show(world.addTimeline(wanted.tenant_id, wanted.timeline_id, from.commit, from.archive)))
}

const syncAnswer = (world: World, { headers }: Request): Effect.Effect<Response> =>
  sync(world, {
    safekeepers: headers["x-safekeepers"] ?? "",
    tenant: headers["x-tenant"] ?? "",
    timeline: headers["x-timeline"] ?? "",
    token: headers["x-token"] ?? ""
  }).pipe(
    Effect.map(({ exit, output }) =>
      HttpServerResponse.setHeader(bytes(Buffer.from(output)), "x-exit", exit === null ? "fatal" : String(exit))
    )
  )

const asked = (world: World, request: Request): Response => {
  const peer = new URL(request.url, "http://emulator").searchParams.get("peer")
  const wanted = Schema.is(Peer)(peer) ? peer : undefined
  return json(
    200,
    world.asked.filter((one) => wanted === undefined || one.peer === wanted)
  )
}

const faults = (world: World) =>
  given(Faults, (one, { method }) => {
    const added = "peer" in one ? [one] : one
    world.faults = method === "PUT" ? added : [...world.faults, ...added]
    return json(200, world.faults)
  })

const now = (answer: () => Response) => Effect.sync(answer)

const routes = (world: World, addresses: () => object) =>
  Layer.mergeAll(
    HttpRouter.add("*", "*", text(404, `no such route; this is what there is:\n\n${help}`)),
    HttpRouter.add("GET", "/", text(200, help)),
    HttpRouter.add(
      "GET",
      "/addresses",
      now(() => json(200, addresses()))
    ),
    HttpRouter.add("GET", "/asked", (request) => now(() => asked(world, request))),
    HttpRouter.add(
      "DELETE",
      "/asked",
      now(() => {
        world.asked.length = 0
        return text(200, "")
      })
    ),
    HttpRouter.add(
      "GET",
      "/faults",
      now(() => json(200, world.faults))
    ),
    HttpRouter.add("POST", "/faults", faults(world)),
    HttpRouter.add("PUT", "/faults", faults(world)),
    HttpRouter.add(
      "DELETE",
      "/faults",
      now(() => {
        world.faults = []
        return text(200, "")
      })
    ),
    HttpRouter.add(
      "GET",
      "/timelines",
      now(() => json(200, Array.from(world.timelines.values(), show)))
    ),
    HttpRouter.add(
      "POST",
      "/timelines",
      given(named, (one) => addTimeline(world, one))
    ),
    HttpRouter.add(
      "DELETE",
      "/timelines",
      given(named, (one) =>
        world.timelines.delete(`${one.tenant_id}/${one.timeline_id}`) ? text(200, "") : text(404, "no such timeline\n")
      )
    ),
    HttpRouter.add(
      "POST",
      "/lsn",
      given(position, (wanted) => move(world, wanted))
    ),
    HttpRouter.add(
      "POST",
      "/spec",
      given(specAnswer, ({ compute_id, status, body }) => {
        world.specs.set(compute_id, { status, body: typeof body === "string" ? body : JSON.stringify(body) })
        return text(200, "")
      })
    ),
    HttpRouter.add("POST", "/sync", (request) => syncAnswer(world, request))
  )

export const controlPort = (world: World, addresses: () => object, host: string, port: number) =>
  serveHttp(host, port, routes(world, addresses))

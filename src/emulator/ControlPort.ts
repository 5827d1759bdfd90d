/**
 * The emulator's own HTTP port: faults, positions and the control plane's answers go in, what was asked comes out.
 * The `--sync-safekeepers` stand-in comes here too.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { TenantId, TimelineId } from "../domain/spec/Ids.ts"
import * as Lsn from "../domain/spec/Lsn.ts"
import { Faults, Peer } from "./Fault.ts"
import { json, type Request, type Response, serveHttp, text } from "./peers/HttpServer.ts"
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
  member: Schema.optional(Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))),
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

const read = <A, I>(schema: Schema.Codec<A, I>, request: Request): Result.Result<A, Response> =>
  Result.mapError(Schema.decodeResult(Schema.fromJsonString(schema))(request.body.toString()), (fault) =>
    text(400, `${fault.message}\n`)
  )

const merged = (result: Result.Result<Response, Response>): Response => Result.merge(result)

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

const syncAnswer = (world: World, request: Request): Effect.Effect<Response> => {
  const header = (name: string) => {
    const value = request.headers[name]
    return typeof value === "string" ? value : ""
  }
  return sync(world, {
    safekeepers: header("x-safekeepers"),
    tenant: header("x-tenant"),
    timeline: header("x-timeline"),
    token: header("x-token")
  }).pipe(
    Effect.map((result) => ({
      status: 200,
      headers: { "x-exit": result.exit === null ? "fatal" : String(result.exit) },
      body: result.output
    }))
  )
}

const route = (world: World, addresses: () => object, request: Request): Effect.Effect<Response> => {
  const is = (method: string, path: string) => request.method === method && request.path === path
  const reply = (response: Response) => Effect.succeed(response)
  if (is("GET", "/")) return reply(text(200, help))
  if (is("GET", "/addresses")) return reply(json(200, addresses()))
  if (is("GET", "/asked")) {
    const peer = Schema.is(Peer)(request.query.get("peer")) ? request.query.get("peer") : undefined
    return reply(
      json(
        200,
        world.asked.filter((asked) => peer === undefined || asked.peer === peer)
      )
    )
  }
  if (is("DELETE", "/asked")) {
    world.asked.length = 0
    return reply(text(200, ""))
  }
  if (is("GET", "/faults")) return reply(json(200, world.faults))
  if (is("DELETE", "/faults")) {
    world.faults = []
    return reply(text(200, ""))
  }
  if (is("POST", "/faults") || is("PUT", "/faults")) {
    return reply(
      merged(
        Result.map(read(Faults, request), (faults) => {
          const added = "peer" in faults ? [faults] : faults
          world.faults = request.method === "PUT" ? added : [...world.faults, ...added]
          return json(200, world.faults)
        })
      )
    )
  }
  if (is("GET", "/timelines")) return reply(json(200, Array.from(world.timelines.values(), show)))
  if (is("POST", "/timelines")) return reply(merged(Result.map(read(named, request), (one) => addTimeline(world, one))))
  if (is("DELETE", "/timelines")) {
    return reply(
      merged(
        Result.map(read(named, request), (one) =>
          world.timelines.delete(`${one.tenant_id}/${one.timeline_id}`)
            ? text(200, "")
            : text(404, "no such timeline\n")
        )
      )
    )
  }
  if (is("POST", "/lsn")) return reply(merged(Result.map(read(position, request), (wanted) => move(world, wanted))))
  if (is("POST", "/spec")) {
    return reply(
      merged(
        Result.map(read(specAnswer, request), ({ compute_id, status, body }) => {
          world.specs.set(compute_id, { status, body: typeof body === "string" ? body : JSON.stringify(body) })
          return text(200, "")
        })
      )
    )
  }
  if (is("POST", "/sync")) return syncAnswer(world, request)
  return reply(text(404, `no such route; this is what there is:\n\n${help}`))
}

export const controlPort = (world: World, addresses: () => object, host: string, port: number) =>
  serveHttp(host, port, (request) => route(world, addresses, request))

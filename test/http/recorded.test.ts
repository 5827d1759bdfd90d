/**
 * Answers of the original, to the byte.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as rig from "./rig.ts"

const headersOf = ({ body, headers = {}, token }: rig.Recorded["request"]) => ({
  ...(token !== null && {
    authorization: `Bearer ${typeof token === "string" ? token : rig.tokenOf(token ?? rig.admin)}`
  }),
  ...(typeof body === "object" && { "content-type": "application/json" }),
  ...headers
})

const normalized = (body: string) =>
  body
    .replace(/"start_time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{3,9})?Z"/, '"start_time":"TIME"')
    .replace(/"(\w+_(?:ms|micros|bytes))":\d+/g, (all, name) => (/^load_ext/.test(name) ? all : `"${name}":N`))

const replay = (name: string, wanted: (request: rig.Recorded["request"]) => boolean = () => true) =>
  Effect.gen(function* () {
    const { external, internal } = yield* rig.serveAll()
    for (const { request, response } of rig.recorded(name)) {
      if (!wanted(request)) continue
      const title = `${request.method} ${request.path} ${JSON.stringify(request.token ?? null)} ${JSON.stringify(request.body ?? "")}`
      const answer = yield* rig.ask({
        port: request.server === "internal" ? internal.port : external.port,
        method: request.method,
        path: request.path,
        headers: headersOf(request),
        ...(request.body !== undefined && {
          body: typeof request.body === "string" ? request.body : JSON.stringify(request.body)
        })
      })
      const expected = response.body
      assert.deepStrictEqual(
        {
          status: answer.status,
          type: answer.headers["content-type"] ?? null,
          allow: answer.headers.allow,
          body:
            typeof expected === "string"
              ? normalized(answer.body)
              : Object.fromEntries(Object.keys(expected).map((text) => [text, answer.body.includes(text)]))
        },
        { status: response.status, type: response["content-type"], allow: response.allow, body: expected },
        `${title}: ${answer.body}`
      )
    }
  })

/** Handlers of other areas are stand-ins here. */
const ours = ({ path }: rig.Recorded["request"]) => /^\/(status|metrics\.json)$/.test(path)

describe("recorded answers", () => {
  for (const name of ["auth", "routing", "bodies"]) {
    it.live(name, () => Effect.provide(Effect.andThen(rig.running, replay(name)), rig.layerRig))
  }
  it.live("running", () => Effect.provide(Effect.andThen(rig.running, replay("running", ours)), rig.layerRig))
  it.live("empty", () => Effect.provide(replay("empty", ours), rig.layerRig))
})

/**
 * `GET /events` and `GET /history`.
 */
import * as http from "node:http"
import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { ComputeState } from "../../src/layers/compute/ComputeState.ts"
import { History, tell } from "../../src/layers/compute/History.ts"
import { Waits } from "../../src/layers/compute/Waits.ts"
import { NET } from "../rig/waits.ts"
import * as rig from "./rig.ts"

const served = <A, E, R>(test: Effect.Effect<A, E, R>) => Effect.provide(test, rig.layerRig)

/** The answer as it begins; it is read when asked for. */
const open = (port: number) =>
  Effect.acquireRelease(
    Effect.callback<http.IncomingMessage, Error>((resume) => {
      const request = http.get({ port, path: "/events", headers: rig.bearer(), agent: false }, (response) =>
        resume(Effect.succeed(response))
      )
      request.on("error", (error) => resume(Effect.fail(error)))
    }),
    (response) => Effect.sync(() => response.destroy())
  )

const parsed = (text: string) =>
  text
    .split("\n\n")
    .filter((event) => event !== "")
    .map((event) => {
      const [, kind, data = ""] = /^event: (\w+)\ndata: (.*)$/.exec(event) ?? []
      const { at, ...members } = JSON.parse(data)
      assert.match(at, /^\d{4}-\d\d-\d\dT[\d:.]+Z$/)
      assert.strictEqual(members.kind, kind)
      return members
    })

const ended = (response: http.IncomingMessage) =>
  Effect.callback<{ readonly text: string; readonly whole: boolean }>((resume) => {
    let text = ""
    response.setEncoding("utf8")
    response.on("data", (piece) => {
      text += piece
    })
    response.on("error", () => {})
    response.on("close", () => resume(Effect.succeed({ text, whole: response.complete })))
  })

const transition = (...steps: ReadonlyArray<Parameters<ComputeState["Service"]["transition"]>[0]>) =>
  Effect.flatMap(ComputeState, (state) => Effect.forEach(steps, (cause) => state.transition(cause)))

const failure = (error: string) => tell({ kind: "refresh", outcome: "failed", error })

describe("/events", () => {
  it.live("begin with the present state, tell what happens, and end with the compute", () =>
    served(
      Effect.gen(function* () {
        yield* rig.running
        const { external } = yield* rig.serveAll()
        const response = yield* open(external.port)
        assert.deepStrictEqual(
          [response.statusCode, response.headers["content-type"], response.headers["cache-control"]],
          [200, "text/event-stream", "no-store"]
        )
        const all = yield* Effect.forkChild(ended(response))
        const waits = yield* Waits
        yield* waits.openEnded("a spec")(Effect.void)
        // A wait for what terminates it ends behind it.
        yield* waits.openEnded("the end")(transition("terminate fast", "shut down"))
        const { text, whole } = yield* Fiber.join(all)
        assert.isTrue(whole)
        const state = { kind: "state", error: null }
        const wait = { kind: "wait", name: "a spec", deadline: null }
        assert.deepStrictEqual(parsed(text), [
          { ...state, version: 1, from: null, status: "running", cause: null },
          { ...wait, state: "begun" },
          { ...wait, state: "ended" },
          { ...wait, name: "the end", state: "begun" },
          { ...state, from: "running", status: "termination_pending_fast", cause: "terminate fast" },
          { ...state, from: "termination_pending_fast", status: "terminated", cause: "shut down" }
        ])
        // Whoever comes later is told the same at once.
        const late = yield* Effect.flatMap(open(external.port), ended)
        assert.deepStrictEqual(
          parsed(late.text).map(({ status }) => status),
          ["terminated"]
        )
      })
    )
  )

  it.live("are for 32 listeners, whose places are free when they have gone", () =>
    served(
      Effect.gen(function* () {
        const { external } = yield* rig.serveAll()
        const ask = rig.ask({ port: external.port, path: "/events", headers: rig.bearer() })
        const listeners = yield* Effect.forEach(Array.from({ length: 32 }), () => open(external.port))
        const refused = yield* ask
        assert.deepStrictEqual([refused.status, refused.body], [503, '{"error":"there are too many listeners"}'])
        listeners[0]?.destroy()
        yield* Effect.eventually(Effect.filterOrFail(open(external.port), ({ statusCode }) => statusCode === 200)).pipe(
          Effect.timeout(NET)
        )
      })
    )
  )

  it.live("need a token as /status does", () =>
    served(
      Effect.gen(function* () {
        const { external } = yield* rig.serveAll()
        for (const path of ["/events", "/history"]) {
          assert.strictEqual((yield* rig.ask({ port: external.port, path })).status, 400)
        }
      })
    )
  )

  it.live("are not kept for who does not read them", () =>
    served(
      Effect.gen(function* () {
        const { external } = yield* rig.serveAll()
        const response = yield* open(external.port)
        // More than sockets hold, in portions between which the server may write.
        const portion = Effect.forEach(Array.from({ length: 100 }), () => failure("x".repeat(20_000)))
        for (let portions = 0; portions < 20; portions++) yield* Effect.andThen(portion, Effect.sleep("1 millis"))
        const { whole } = yield* ended(response)
        assert.isFalse(whole)
      })
    )
  )
})

it.effect("a listener that is too far behind is told once", () =>
  Effect.gen(function* () {
    const history = yield* History
    const dropped = yield* Deferred.make<void>()
    let times = 0
    yield* history.listen(() => {
      times += 1
      Effect.runSync(Deferred.succeed(dropped, undefined))
    })
    for (let told = 0; told < 1024; told++) yield* failure("")
    assert.strictEqual(times, 0)
    yield* failure("")
    yield* failure("")
    yield* Deferred.await(dropped)
    assert.strictEqual(times, 1)
  }).pipe(Effect.scoped, Effect.provide(History.layer))
)

it.live("/history has the last hundred, the oldest first", () =>
  served(
    Effect.gen(function* () {
      yield* Effect.forEach(Array.from({ length: 120 }), (_, index) => failure(`${index}`))
      yield* rig.running
      const { external } = yield* rig.serveAll()
      const { body } = yield* rig.ask({ port: external.port, path: "/history", headers: rig.bearer() })
      const { events, version } = JSON.parse(body)
      assert.strictEqual(version, 1)
      assert.strictEqual(events.length, 100)
      assert.strictEqual(events[0].error, "22")
      const { at: _, ...last } = events.at(-1)
      assert.deepStrictEqual(last, { kind: "state", from: "init", status: "running", cause: "started", error: null })
    })
  )
)

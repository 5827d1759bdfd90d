/**
 * Sockets: which ones, whom they belong to, and how they end.
 */
import * as http from "node:http"
import * as net from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { Options } from "../../../src/layers/compute/Options.ts"
import { until } from "../../rig/waits.ts"
import * as rig from "../rig.ts"

const served = <A, E, R>(test: Effect.Effect<A, E, R>) => Effect.provide(test, rig.layerRig)

const hasIpv6 = await new Promise<boolean>((resolve) => {
  const probe = net.createServer().once("error", () => resolve(false))
  probe.listen(0, "::1", () => probe.close(() => resolve(true)))
})

const occupied = (host: string) =>
  Effect.acquireRelease(
    Effect.callback<net.Server>((resume) => {
      const server = net.createServer()
      server.listen(0, host, () => resume(Effect.succeed(server)))
    }),
    (server) => Effect.sync(() => server.close())
  ).pipe(Effect.map((server) => (server.address() as net.AddressInfo).port))

/** The servers in a scope of their own. */
const closable = (more: rig.More = {}) =>
  Effect.gen(function* () {
    const scope = yield* Scope.make()
    const servers = yield* Scope.provide(rig.serveAll(more), scope)
    return { ...servers, close: Scope.close(scope, Exit.void) }
  })

describe("addresses", () => {
  for (const host of hasIpv6 ? ["127.0.0.1", "::1"] : ["127.0.0.1"]) {
    it.live(`both servers answer at ${host}`, () =>
      served(
        Effect.gen(function* () {
          const { external, internal } = yield* rig.serveAll()
          for (const port of [external.port, internal.port]) {
            assert.strictEqual((yield* rig.ask({ port, host, path: "/nope" })).status, 404)
          }
        })
      )
    )
  }

  it.live("the internal server is not to be found from outside, unless told so", () =>
    served(
      Effect.gen(function* () {
        const { internal } = yield* rig.serveAll()
        assert.deepStrictEqual(
          internal.addresses.map((address) => address.replace(/:\d+$/, "")),
          hasIpv6 ? ["127.0.0.1", "[::1]"] : ["127.0.0.1"]
        )
        const wide = yield* Effect.provide(
          rig.serveAll(),
          Layer.succeed(Options, rig.options({ internalHttpHosts: ["0.0.0.0"] }))
        )
        assert.strictEqual(wide.internal.addresses[0], `0.0.0.0:${wide.internal.port}`)
      })
    )
  )

  it.live("a port in use is named", () =>
    served(
      Effect.gen(function* () {
        const taken = yield* occupied("127.0.0.1")
        const fails = (more: object) =>
          Effect.flip(Effect.provide(rig.serveAll(), Layer.succeed(Options, rig.options(more))))
        const external = yield* fails({ externalHttpPort: taken })
        assert.strictEqual(external._tag, "PortInUse")
        assert.strictEqual(external.message, `the external HTTP server cannot listen on port ${taken}: it is in use`)
        const internal = yield* fails({ internalHttpPort: taken })
        assert.deepInclude(internal, { _tag: "PortInUse", server: "internal", port: taken })
        const odd = yield* fails({ internalHttpHosts: ["203.0.113.1"] })
        assert.deepInclude(odd, { _tag: "CannotListen", host: "203.0.113.1", code: "EADDRNOTAVAIL" })
      })
    )
  )
})

describe("connections", () => {
  it.live("are kept, and no time is promised after which they would end", () =>
    served(
      Effect.gen(function* () {
        const { external } = yield* rig.serveAll()
        const agent = new http.Agent({ keepAlive: true, maxSockets: 1 })
        yield* Effect.addFinalizer(() => Effect.sync(() => agent.destroy()))
        const first = yield* rig.ask({ port: external.port, path: "/livez", agent })
        assert.strictEqual(first.headers["keep-alive"], undefined)
        // What came with an unread body must not disturb the next request.
        const refused = yield* rig.ask({
          port: external.port,
          method: "POST",
          path: "/configure",
          body: "x".repeat(500_000),
          agent
        })
        assert.strictEqual(refused.status, 400)
        assert.strictEqual((yield* rig.ask({ port: external.port, path: "/livez", agent })).status, 200)
        // The agent takes a connection back in the turn after its answer.
        yield* Effect.promise(() => new Promise(setImmediate))
        assert.strictEqual(Object.values(agent.freeSockets).flat().length, 1)
      })
    )
  )

  it.live("idle ones do not delay the end", () =>
    served(
      Effect.gen(function* () {
        const { close, external } = yield* closable()
        const agent = new http.Agent({ keepAlive: true })
        yield* rig.ask({ port: external.port, path: "/livez", agent })
        const silent = net.connect(external.port, "127.0.0.1")
        yield* Effect.promise(() => new Promise((resolve) => silent.once("connect", resolve)))
        const ended = new Promise((resolve) => silent.once("close", resolve))
        yield* close
        yield* Effect.promise(() => ended)
        agent.destroy()
        assert.strictEqual(
          (yield* Effect.flip(rig.ask({ port: external.port, path: "/livez" }))).message.includes("ECONNREFUSED"),
          true
        )
      })
    )
  )

  it.live("a request at work is answered before the end", () =>
    served(
      Effect.gen(function* () {
        const work = yield* rig.work
        const { close, external } = yield* closable({ post: work.answer })
        const answer = yield* Effect.forkChild(rig.ask({ port: external.port, method: "POST", path: "/extra" }))
        yield* until("the work to begin", () => work.state() === "begun")
        const closing = yield* Effect.forkChild(close)
        // It is patient in many small steps, none of which is shorter than on a machine at rest.
        yield* Effect.sleep("50 millis")
        yield* work.free
        yield* Fiber.join(closing)
        assert.strictEqual((yield* Fiber.join(answer)).body, '"done"')
      })
    )
  )

  it.live("one that would take for ever is told that we leave", () =>
    served(
      Effect.gen(function* () {
        const work = yield* rig.work
        const { close, external } = yield* closable({ post: work.answer })
        const answer = yield* Effect.forkChild(rig.ask({ port: external.port, method: "POST", path: "/extra" }))
        yield* until("the work to begin", () => work.state() === "begun")
        yield* close
        assert.strictEqual((yield* Fiber.join(answer)).status, 503)
      })
    )
  )
})

describe("a client that goes away", () => {
  it.live("does not stop a change", () =>
    served(
      Effect.gen(function* () {
        const work = yield* rig.work
        const { external } = yield* rig.serveAll({ post: work.answer })
        const asking = yield* Effect.forkChild(rig.ask({ port: external.port, method: "POST", path: "/extra" }))
        yield* until("the work to begin", () => work.state() === "begun")
        yield* Fiber.interrupt(asking)
        // What would stop it comes within a turn or two.
        yield* Effect.sleep("200 millis")
        assert.strictEqual(work.state(), "begun")
        yield* work.free
        yield* until("the work to be done", () => work.state() === "done")
      })
    )
  )

  it.live("stops a read", () =>
    served(
      Effect.gen(function* () {
        const work = yield* rig.work
        const { external } = yield* rig.serveAll({ get: work.answer })
        const asking = yield* Effect.forkChild(rig.ask({ port: external.port, path: "/extra" }))
        yield* until("the work to begin", () => work.state() === "begun")
        yield* Fiber.interrupt(asking)
        yield* until("the work to be stopped", () => work.state() === "interrupted")
      })
    )
  )

  it.live("stops a stream", () =>
    served(
      Effect.gen(function* () {
        let state = "not begun"
        const become = (next: string) => () => {
          state = next
        }
        const { external } = yield* rig.serveAll({ get: rig.endless(become("begun"), become("stopped")) })
        const asking = yield* Effect.forkChild(rig.ask({ port: external.port, path: "/extra" }))
        yield* until("the stream to begin", () => state === "begun")
        yield* Fiber.interrupt(asking)
        yield* until("the stream to be stopped", () => state === "stopped")
      })
    )
  )

  it.live("HEAD does not begin a stream", () =>
    served(
      Effect.gen(function* () {
        let began = false
        const begin = () => {
          began = true
        }
        const { external } = yield* rig.serveAll({ get: rig.endless(begin, begin) })
        const answer = yield* rig.ask({ port: external.port, method: "HEAD", path: "/extra" })
        assert.deepStrictEqual([answer.status, answer.body], [200, ""])
        assert.isFalse(began)
      })
    )
  )
})

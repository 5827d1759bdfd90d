/**
 * `/configure`, `/terminate`, status, metrics and probes, with the state machine itself and hands that move it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Lsn from "../../src/domain/spec/Lsn.ts"
import type { ActivityReport } from "../../src/domain/status/Activity.ts"
import { ComputeState } from "../../src/layers/compute/ComputeState.ts"
import { Options } from "../../src/layers/compute/Options.ts"
import { StopRequests } from "../../src/layers/compute/stop/StopRequests.ts"
import { Waits } from "../../src/layers/compute/Waits.ts"
import { Monitor } from "../../src/layers/observe/Monitor.ts"
import { eventually, NET } from "../rig/waits.ts"
import * as rig from "./rig.ts"

const served = <A, E, R>(test: Effect.Effect<A, E, R>) => Effect.provide(test, rig.layerRig)
const become = (...causes: ReadonlyArray<Parameters<ComputeState["Service"]["transition"]>>) =>
  Effect.flatMap(ComputeState, ({ transition }) => Effect.forEach(causes, (step) => transition(...step)))
const until = (status: string) =>
  Effect.flatMap(ComputeState, (state) => state.await((now) => now.status === status)).pipe(Effect.timeout(NET))

const requests = Effect.map(rig.serveAll(), ({ external }) => {
  const post = (path: string, body?: object) =>
    rig.ask({
      port: external.port,
      method: "POST",
      path,
      headers: { ...rig.bearer(), ...(body && { "content-type": "application/json" }) },
      ...(body && { body: JSON.stringify(body) })
    })
  return {
    get: (path: string) => rig.ask({ port: external.port, path, headers: rig.bearer() }),
    configure: (more: object = {}) => post("/configure", rig.configuration(more)),
    terminate: (query = "") => post(`/terminate${query}`)
  }
})

describe("/refresh", () => {
  it.live("is for the control plane's own token, while Postgres runs", () =>
    served(
      Effect.gen(function* () {
        const { external } = yield* rig.serveAll()
        const refresh = (claims: object) =>
          rig.ask({ port: external.port, method: "POST", path: "/refresh", headers: rig.bearer(claims) })
        const early = yield* refresh(rig.admin)
        assert.deepStrictEqual([early.status, early.body], [412, '{"error":"invalid compute status: empty"}'])
        yield* rig.running
        const refused = yield* refresh({ compute_id: rig.COMPUTE })
        assert.deepStrictEqual(
          [refused.status, refused.body],
          [403, '{"error":"missing scope compute_ctl:admin in authorization token claims"}']
        )
        assert.strictEqual((yield* ComputeState.current).status, "running")
        assert.strictEqual((yield* refresh(rig.admin)).status, 202)
        assert.strictEqual((yield* ComputeState.current).status, "refresh_configuration_pending")
        // No server has asked for it: what is counted for alerts is left alone.
        const { body } = yield* rig.ask({ port: external.port, path: "/metrics" })
        assert.include(body, "pg_cctl_pagestream_request_errors_total 0")
      })
    )
  )
})

describe("/configure", () => {
  it.live("of an empty compute answers when it runs", () =>
    served(
      Effect.gen(function* () {
        const { configure } = yield* requests
        const answer = yield* Effect.forkChild(configure())
        yield* until("configuration_pending")
        yield* become(["spec received"])
        assert.strictEqual((yield* configure()).body, '{"error":"invalid compute status: init"}')
        yield* become(["started", () => ({ postgresRuns: true })])
        const { body, status } = yield* Fiber.join(answer)
        assert.strictEqual(status, 200)
        assert.match(body, new RegExp(`"tenant":"${rig.TENANT}","timeline":"${rig.TIMELINE}","status":"running"`))
      })
    )
  )

  it.live("tells why a start failed, as does /status", () =>
    served(
      Effect.gen(function* () {
        const { configure, get } = yield* requests
        const answer = yield* Effect.forkChild(configure())
        yield* until("configuration_pending")
        const error = "failed to get basebackup@0/0\n\nCaused by:\n    timed out"
        yield* become(["spec received"], ["start failed", () => ({ error })])
        const { body, status } = yield* Fiber.join(answer)
        assert.strictEqual(status, 500)
        assert.strictEqual(
          body,
          String.raw`{"error":"compute configuration failed: \"failed to get basebackup@0/0\\n\\nCaused by:\\n    timed out\""}`
        )
        assert.deepInclude(JSON.parse((yield* get("/status")).body), { status: "failed", error })
        assert.strictEqual((yield* configure()).status, 412)
        assert.strictEqual(
          (yield* configure({ pageserver_connstring: null })).body,
          '{"error":"pageserver connection information should be provided"}'
        )
      })
    )
  )

  it.live("is answered when the compute is terminated meanwhile", () =>
    served(
      Effect.gen(function* () {
        yield* rig.running
        const { configure } = yield* requests
        const answer = yield* Effect.forkChild(configure())
        yield* until("configuration_pending")
        yield* become(["reconfiguration begins"], ["reconfiguration failed"], ["terminate fast"])
        assert.strictEqual((yield* Fiber.join(answer).pipe(Effect.timeout(NET))).status, 500)
      })
    )
  )

  it.live("goes on without its caller", () =>
    served(
      Effect.gen(function* () {
        const { configure } = yield* requests
        const leaving = yield* Effect.forkChild(configure())
        yield* until("configuration_pending")
        yield* Fiber.interrupt(leaving)
        yield* become(["spec received"], ["started"])
      })
    )
  )
})

describe("/terminate", () => {
  it.live("answers with the LSN, again and again", () =>
    served(
      Effect.gen(function* () {
        yield* rig.running
        const { terminate } = yield* requests
        const answer = yield* Effect.forkChild(terminate("?mode=immediate"))
        const stops = yield* StopRequests
        assert.deepStrictEqual(yield* stops.await, { _tag: "Terminate", mode: "immediate" })
        assert.strictEqual(
          (yield* terminate()).body,
          '{"error":"invalid compute status: termination-pending-immediate"}'
        )
        yield* become(["shut down", () => ({ terminateFlushLsn: Lsn.fromBigInt(0x16b9188n) })])
        const first = yield* Fiber.join(answer)
        assert.deepStrictEqual([first.status, first.body], [200, '{"lsn":"0/16B9188"}'])
        const second = yield* terminate()
        assert.deepStrictEqual([second.status, second.body], [201, '{"lsn":"0/16B9188"}'])
      })
    )
  )

  const runs = () => ({ postgresRuns: true })
  type Way = ReadonlyArray<Parameters<ComputeState["Service"]["transition"]>>
  const started: Way = [["spec at start"], ["started", runs]]
  const ways: ReadonlyArray<readonly [where: string, way: Way, accepted: boolean]> = [
    ["empty", [], true],
    ["configuration-pending", [["configure"]], true],
    ["init", [["spec at start"]], true],
    ["failed", [["spec at start"], ["start failed"]], false],
    ["running", started, true],
    ["configuration", [...started, ["configure"], ["reconfiguration begins"]], true],
    ["failed", [...started, ["configure"], ["reconfiguration begins"], ["reconfiguration failed"]], true],
    ["refresh-configuration-pending", [...started, ["refresh requested"]], true],
    ["refresh-configuration", [...started, ["refresh requested"], ["refresh begins"]], true],
    ["termination-pending-fast", [...started, ["terminate fast"]], false],
    ["termination-pending-immediate", [...started, ["terminate immediate"]], false]
  ]
  it.live.each(ways)("in %s, after %j: accepted is %s", ([where, way, accepted]) =>
    served(
      Effect.gen(function* () {
        const { terminate } = yield* requests
        yield* become(...way)
        const asked = yield* Effect.forkChild(terminate())
        if (accepted) {
          yield* until("termination_pending_fast")
          yield* become(["shut down"])
        }
        const { body, status } = yield* Fiber.join(asked)
        assert.deepStrictEqual(
          [status, body],
          accepted ? [200, '{"lsn":null}'] : [412, `{"error":"invalid compute status: ${where}"}`]
        )
      })
    )
  )

  it.live("of an empty lakebase compute has no body", () =>
    served(
      Effect.gen(function* () {
        const { terminate } = yield* requests
        const answer = yield* terminate()
        assert.deepStrictEqual([answer.status, answer.body, answer.headers["content-length"]], [200, "", "0"])
      }).pipe(Effect.provide(Layer.succeed(Options, rig.options({ lakebaseMode: true }))))
    )
  )

  it.live("if_idle spares a compute in use", () => {
    const busy: ActivityReport = {
      active: null,
      active_since: null,
      last_active: null,
      checked_at: null,
      monitor: "down",
      reasons: []
    }
    const monitor = Layer.succeed(Monitor, {
      poll: Effect.void,
      activity: Effect.succeed(busy),
      fresh: Effect.succeed(busy),
      disregard: (work) => work,
      disregarding: Effect.void
    })
    return served(
      Effect.gen(function* () {
        yield* rig.running
        const { terminate } = yield* requests
        const { body, status } = yield* terminate("?if_idle=60")
        assert.strictEqual(status, 409)
        assert.hasAllKeys(JSON.parse(body), ["error", "reasons", "activity"])
        assert.strictEqual((yield* Effect.flatMap(ComputeState, ({ get }) => get)).status, "running")
      }).pipe(Effect.provide(monitor))
    )
  })
})

it.live("/status/detail knows what is waited for and what runs beside Postgres", () =>
  served(
    Effect.gen(function* () {
      const { get } = yield* requests
      const waits = yield* Waits
      yield* Effect.forkScoped(waits.within("basebackup", "1 minute")(Effect.never))
      yield* Effect.forkScoped(waits.openEnded("a spec")(Effect.never))
      yield* eventually("both to wait", waits.current, (all) => all.length === 2)
      const detail = JSON.parse((yield* get("/status/detail")).body)
      assert.deepStrictEqual(
        detail.waits.map((wait: { name: string; since: string; deadline: string | null }) => [
          wait.name,
          wait.deadline === null ? null : Date.parse(wait.deadline) - Date.parse(wait.since)
        ]),
        [
          ["basebackup", 60_000],
          ["a spec", null]
        ]
      )
      assert.deepStrictEqual(detail.services, [
        { name: "monitor", state: "backing off", restarts: 2, last_error: "refused" }
      ])
      assert.strictEqual(detail.status, "empty")
    })
  )
)

describe("probes", () => {
  const statuses = Effect.gen(function* () {
    const { external } = yield* rig.serveAll()
    return yield* Effect.forEach(["/livez", "/startupz", "/readyz"], (path) =>
      Effect.map(rig.ask({ port: external.port, path }), ({ status }) => status)
    )
  })

  it.live("need no token", () =>
    served(
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* statuses, [200, 200, 200])
      })
    )
  )

  it.live("a start that is under way is not done", () =>
    served(
      Effect.gen(function* () {
        yield* become(["spec at start"])
        assert.deepStrictEqual((yield* statuses).slice(0, 2), [200, 503])
      })
    )
  )

  it.live("a start that failed fails for good", () =>
    served(
      Effect.gen(function* () {
        yield* become(["spec at start"], ["start failed"])
        assert.deepStrictEqual((yield* statuses).slice(0, 2), [200, 503])
      })
    )
  )

  it.live("a reconfiguration that failed is no failed start", () =>
    served(
      Effect.gen(function* () {
        yield* rig.running
        yield* become(["configure"], ["reconfiguration begins"], ["reconfiguration failed"])
        assert.deepStrictEqual((yield* statuses).slice(0, 2), [200, 200])
      })
    )
  )
})

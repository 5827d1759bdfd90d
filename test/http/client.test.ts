import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { runVerb } from "../../src/cli/verbs/run.ts"
import { statusText } from "../../src/cli/verbs/status/screen.ts"
import { databaseSchema } from "../../src/http/api/catalog.ts"
import { extensionServer } from "../../src/http/api/extensions.ts"
import { document } from "../../src/http/api/openapi.ts"
import * as client from "../../src/http/client.ts"
import * as lifecycle from "../../src/http/routes/lifecycle.ts"
import { serveRoutes } from "../../src/http/server/servers.ts"
import * as rig from "./rig.ts"

const statusVerb = (argv: ReadonlyArray<string>) => runVerb(["status", ...argv])

const served = <A, E, R>(test: Effect.Effect<A, E, R>) => Effect.provide(test, rig.layerRig)
const at = (port: number, claims: object | null = rig.admin): client.Target => ({
  url: `http://localhost:${port}/`,
  token: claims === null ? null : Redacted.make(rig.tokenOf(claims))
})

describe("the client", () => {
  it.live("writes what the router reads", () =>
    served(
      Effect.gen(function* () {
        const { external, internal } = yield* rig.serveAll()
        const database = "a b=c&d+é/?"
        assert.strictEqual(yield* client.call(databaseSchema, at(external.port), { query: { database } }), database)
        const filename = "lib x/ä+y.so"
        assert.deepStrictEqual(
          JSON.parse(
            yield* client.call(extensionServer, at(internal.port, null), {
              params: { filename },
              query: { is_library: true }
            })
          ),
          { filename, is_library: true }
        )
      })
    )
  )

  it.live("tells a refusal from silence, without the token", () =>
    served(
      Effect.gen(function* () {
        const { external } = yield* rig.serveAll()
        const target = at(external.port, { compute_id: "other" })
        const refused = yield* Effect.flip(client.status(target))
        assert.deepInclude(refused, {
          _tag: "Refused",
          status: 403,
          error: "invalid compute ID in authorization token claims"
        })
        const unreachable = yield* Effect.flip(client.status({ ...target, url: "http://127.0.0.1:2" }))
        assert.strictEqual(unreachable._tag, "Unreachable")
        assert.match(unreachable.message, /ECONNREFUSED/)
        const slow = yield* Effect.flip(client.status({ ...target, limit: 0 }))
        assert.strictEqual(slow._tag, "Unreachable")
        for (const error of [refused, unreachable, slow]) {
          assert.notInclude(JSON.stringify(error), target.token === null ? "" : Redacted.value(target.token))
        }
      })
    )
  )

  it.live("is content with a compute that only has /status", () =>
    served(
      Effect.gen(function* () {
        const original = lifecycle.routes.filter(({ endpoint }) => endpoint.path === "/status")
        const { port } = yield* serveRoutes<rig.Needed>("external", original)
        assert.isNull(yield* client.statusDetail(at(port)))
        assert.strictEqual((yield* client.status(at(port))).status, "empty")
        const code = yield* statusVerb([
          "--url",
          `http://localhost:${port}`,
          "--token",
          rig.tokenOf(rig.admin),
          "--json"
        ])
        assert.strictEqual(code, 3)
      })
    )
  )
})

describe("compute_ctl status", () => {
  it.live("ends with 0 only when the compute runs", () =>
    served(
      Effect.gen(function* () {
        yield* rig.running
        const { external } = yield* rig.serveAll()
        const url = `--url=http://localhost:${external.port}`
        assert.strictEqual(yield* statusVerb([url, "--token", rig.tokenOf(rig.admin)]), 0)
        assert.strictEqual(yield* statusVerb([url]), 1)
        assert.strictEqual(yield* statusVerb([url, "--token", "x", "--token-file", "y"]), 2)
        assert.strictEqual(yield* statusVerb(["--url", "nonsense"]), 2)
        assert.strictEqual(yield* statusVerb(["--url", "http://127.0.0.1:2"]), 1)
      })
    )
  )

  it("fits on a screen", () => {
    const text = statusText(
      {
        start_time: "2026-02-03T04:00:00Z",
        tenant: rig.TENANT,
        timeline: rig.TIMELINE,
        status: "configuration_pending",
        last_active: null,
        error: "failed to get basebackup\n\nCaused by:\n    timed out",
        compute_id: "ep-test-1",
        now: "2026-02-03T05:05:06Z",
        since: "2026-02-03T05:05:00Z",
        postgres_runs: true,
        waits: [
          { name: "basebackup", since: "2026-02-03T05:05:04Z", deadline: "2026-02-03T05:06:04Z" },
          { name: "a spec", since: "2026-02-03T05:05:06Z", deadline: null }
        ],
        services: [
          { name: "monitor", state: "running", restarts: 0, last_error: null },
          { name: "lease", state: "backing off", restarts: 3, last_error: "refused" }
        ]
      },
      0
    )
    assert.strictEqual(
      text,
      `status      configuration-pending, since 6 s ago (2026-02-03T05:05:00Z)
compute     ep-test-1
tenant      ${rig.TENANT}
timeline    ${rig.TIMELINE}
started     1 h 5 min ago (2026-02-03T04:00:00Z)
last active never
postgres    runs
waits for   basebackup: for 2 s, 58 s left
            a spec: for 0 s, no deadline
services    running: monitor
            lease: backing off, restarted 3 times: refused
error       failed to get basebackup

            Caused by:
                timed out`
    )
  })
})

it("the OpenAPI document has every endpoint, with resolvable references", () => {
  const endpoints = rig.routes.map(({ endpoint }) => endpoint)
  const made = document(endpoints as never, "1")
  const operations = Object.entries(made.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`)
  )
  assert.sameMembers(
    operations,
    endpoints.map(({ method, path }) => `${method.toLowerCase()} ${path.replace("{*", "{")}`)
  )
  const text = JSON.stringify(made)
  for (const [, name = ""] of text.matchAll(/"#\/components\/schemas\/([^"]+)"/g)) {
    assert.property(made.components.schemas, name)
  }
  const configure = JSON.stringify(made.components.schemas["configure"])
  assert.include(configure, '"required":["spec","compute_ctl_config"]')
})

import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type ApiRequest, startCompute } from "../rig/compute.ts"
import { startEmulator, startFakeEmulator } from "../rig/emulator.ts"
import { beside, PROMPT } from "../rig/probe.ts"
import { makeConfig, merge, type SpecJson } from "../rig/spec.ts"

const LIMIT = 300_000

const empty = (args: ReadonlyArray<string> = []) =>
  Effect.gen(function* () {
    const compute = yield* startCompute({ emulator: yield* startFakeEmulator(), spec: null, args })
    yield* compute.waitFor("empty")
    return compute
  })

/** Each was once read anew from each of its places, or could be. */
const UNITS = ["eyJ-", "eyJaaaaa-", "eyJaaaaaa.", "a://", "a.b+", "token=", "password='\\", "Bearer-", "/", ".", "%"]
const BYTES = 60_000

describe("what a client writes into the log", () => {
  for (const format of ["text", "json"]) {
    it.live(
      `costs no more than its length, is cut and has no control bytes (${format})`,
      () =>
        Effect.gen(function* () {
          const compute = yield* empty(["--log-format", format])
          const { longest } = yield* beside(
            compute,
            Effect.forEach(UNITS, (unit) =>
              Effect.gen(function* () {
                const text = unit.repeat(BYTES / unit.length)
                const answer = yield* compute.http({ path: "/nope", token: null, headers: { "x-request-id": text } })
                assert.strictEqual(answer.headers["x-request-id"], text, "what is echoed stays whole")
                yield* compute.http({ path: `/${text}?${text.slice(0, 100)}`, token: null })
              })
            )
          )
          assert.isBelow(longest, PROMPT)

          const hostile = "id-\u0080\u0085\u009b31m\u009f\t."
          yield* compute.http({ path: "/nope", token: null, headers: { "x-request-id": `${hostile}end` } })
          yield* compute.waitForLog("end")
          const log = compute.log()
          // biome-ignore lint/suspicious/noControlCharactersInRegex: they must not be there
          assert.notMatch(log, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u2028\u2029]/)
          for (const line of log.split("\n")) assert.isBelow(Buffer.byteLength(line), 2 * 4096 + 500)
        }),
      LIMIT
    )
  }
})

const LONG = "k".repeat(20_000)

describe("what a client sends", () => {
  it.live(
    "comes back in no error and no line of the log, but for a few characters",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const compute = yield* startCompute({ emulator })
        yield* compute.waitFor("running")
        const spec = (more: SpecJson) => makeConfig(merge(compute.spec, more))
        const role = (more: object) => ({ cluster: { roles: [{ name: LONG, encrypted_password: null, ...more }] } })
        const requests: ReadonlyArray<ApiRequest> = [
          { method: "POST", path: `/terminate?mode=${LONG}` },
          { method: "POST", path: `/terminate?if_idle=${"9".repeat(20_000)}` },
          { path: `/database_schema?database=${LONG}` },
          { path: `/${LONG}?${LONG}=${LONG}` },
          { method: "POST", path: `/lfc/prewarm?from_endpoint=${LONG}` },
          { method: "POST", path: `/lfc/prewarm?from_endpoint=${LONG}%2F` },
          { method: "POST", path: `/extension_server/${LONG}`, server: "internal", token: null },
          { method: "POST", path: `/extension_server/${LONG}.so?is_library=true`, server: "internal", token: null },
          ...[
            { extension: LONG, database: "postgres", version: "1" },
            { extension: "plpgsql", database: LONG, version: "1" },
            { extension: "plpgsql", database: "postgres", version: LONG },
            { extension: [LONG], database: LONG, version: "1" }
          ].map((body) => ({ method: "POST", path: "/extensions", server: "internal" as const, token: null, body })),
          ...[
            { database: "postgres", schema: LONG, role: "cloud_admin", privileges: ["USAGE"] },
            { database: "postgres", schema: "public", role: LONG, privileges: ["USAGE"] },
            { database: "postgres", schema: "public", role: "a", privileges: [LONG] }
          ].map((body) => ({ method: "POST", path: "/grants", server: "internal" as const, token: null, body })),
          ...[
            spec({ mode: LONG }),
            spec({ audit_log_level: LONG }),
            spec({ pageserver_connstring: `host=h port=${LONG}` }),
            spec({ safekeeper_connstrings: [LONG, LONG] }),
            spec({ pgbouncer_settings: { [LONG.slice(0, 5000)]: 1 } }),
            spec({ cluster: { settings: [{ name: `${LONG}\n`, value: "1", vartype: LONG }] } }),
            spec({ cluster: { settings: [{ name: "a", value: "\n", vartype: LONG }] } }),
            spec({ delta_operations: [{ action: "rename_db", name: LONG }] }),
            spec({ operation_uuid: LONG, ...role({ options: [{ name: LONG, value: LONG, vartype: "string" }] }) }),
            spec(role({ encrypted_password: LONG })),
            spec({ cluster: { databases: [{ name: LONG, owner: LONG, options: null }] } }),
            spec({ operation_uuid: LONG })
          ].map((body) => ({ method: "POST", path: "/configure", body }))
        ]
        for (const request of requests) {
          const answer = yield* compute.http(request)
          const name = `${request.path.slice(0, 40)} ${JSON.stringify(request.body ?? "").slice(0, 80)} ${answer.status}`
          assert.notMatch(answer.body, /[k9]{201}/, name)
          assert.isBelow(answer.body.length, 4000, name)
        }
        // What Postgres writes of a statement that failed is Postgres'.
        const [line = ""] = compute.log().match(/^(?!PG:).*[k9]{201}.*$/m) ?? []
        assert.strictEqual(line.slice(0, 300), "")
      }),
    LIMIT
  )
})

/**
 * What every request goes through, whatever its route.
 */
import { connect } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { httpRequestSeconds } from "../../../../src/domain/observe/MetricFamilies.ts"
import { ComputeState } from "../../../../src/layers/compute/ComputeState.ts"
import { Metrics } from "../../../../src/layers/observe/Metrics.ts"
import { NET } from "../../../rig/waits.ts"
import * as rig from "../../rig.ts"

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
const JSON_TYPE = { "content-type": "application/json" }

const served = <A, E, R>(test: Effect.Effect<A, E, R>) => Effect.provide(test, rig.layerRig)

const configure = (body: string | Buffer, headers: object = {}) =>
  Effect.flatMap(rig.serveAll(), ({ external }) =>
    rig.ask({
      port: external.port,
      method: "POST",
      path: "/configure",
      headers: { ...rig.bearer(), ...JSON_TYPE, ...headers },
      body
    })
  )

const padded = (bytes: number) => {
  const text = JSON.stringify(rig.configuration())
  return `${text.slice(0, -1)}${" ".repeat(bytes - text.length)}}`
}

/** Bytes as they are; everything the server says until it closes. */
const raw = (port: number, text: string) =>
  Effect.callback<string, Error>((resume) => {
    let answer = ""
    const socket = connect(port, "127.0.0.1", () => socket.write(text))
    socket.on("data", (chunk) => {
      answer += chunk.toString()
    })
    socket.on("close", () => resume(Effect.succeed(answer)))
    socket.on("error", (error) => resume(Effect.fail(error)))
    return Effect.sync(() => socket.destroy())
  })

describe("request ids", () => {
  for (const path of ["/status", "/metrics", "/nope"]) {
    it.live(`${path} gets one of its own`, () =>
      served(
        Effect.gen(function* () {
          const { external } = yield* rig.serveAll()
          const first = yield* rig.ask({ port: external.port, path })
          const second = yield* rig.ask({ port: external.port, path, method: "PUT" })
          assert.match(String(first.headers["x-request-id"]), UUID)
          assert.match(String(second.headers["x-request-id"]), UUID)
          assert.notStrictEqual(first.headers["x-request-id"], second.headers["x-request-id"])
        })
      )
    )
  }

  it.live("the client's comes back as it is, the first if there are two", () =>
    served(
      Effect.gen(function* () {
        const { external } = yield* rig.serveAll()
        for (const sent of ["abc-1", ["First, with comma", "second"]]) {
          const answer = yield* rig.ask({ port: external.port, path: "/nope", headers: { "X-Request-Id": sent } })
          assert.strictEqual(answer.headers["x-request-id"], typeof sent === "string" ? sent : sent[0])
        }
      })
    )
  )
})

describe("the log", () => {
  it.live("has the request, the answer and errors of ours, never a token", () => {
    const lines: Array<rig.Line> = []
    return Effect.gen(function* () {
      const { external } = yield* rig.serveAll()
      const headers = { ...rig.bearer({ compute_id: "other" }), "x-request-id": "r1" }
      yield* rig.ask({ port: external.port, path: "/status?a=b", headers })
      yield* rig.ask({ port: external.port, path: "/livez" })
      const about = lines.filter(({ fields }) => fields["request_id"] === "r1")
      assert.deepStrictEqual(
        about.map(({ level, message }) => `${level} ${message}`.trim()),
        ["INFO GET /status?a=b", "ERROR invalid compute ID in authorization token claims", "INFO"]
      )
      assert.strictEqual(about.at(-1)?.fields["code"], 403)
      assert.isTrue(Number.isInteger(about.at(-1)?.fields["latency"]))
      assert.notInclude(JSON.stringify(lines), headers.authorization.slice(7))
      assert.isFalse(lines.some(({ message }) => message.includes("/livez")))
    }).pipe(Effect.provide(rig.logTo(lines)), served)
  })

  it.live("calls a failed request failed", () => {
    const lines: Array<rig.Line> = []
    return Effect.gen(function* () {
      const { external } = yield* rig.serveAll({ get: Effect.die(new Error("no such thing")) })
      const answer = yield* rig.ask({ port: external.port, path: "/extra" })
      assert.strictEqual(answer.status, 500)
      assert.strictEqual(answer.body, '{"error":"internal error"}')
      const failed = lines.find(({ message }) => message === "response failed")
      assert.strictEqual(failed?.level, "ERROR")
      assert.match(String(failed?.fields["classification"]), /500/)
    }).pipe(Effect.provide(rig.logTo(lines)), served)
  })
})

it.live("durations are counted by pattern, not by path", () =>
  served(
    Effect.gen(function* () {
      const { external, internal } = yield* rig.serveAll()
      yield* rig.ask({ port: internal.port, method: "POST", path: "/extension_server/a" })
      yield* rig.ask({ port: internal.port, method: "POST", path: "/extension_server/b" })
      yield* rig.ask({ port: external.port, method: "GET", path: "/made-up" })
      const text = yield* Effect.flatMap(Metrics, ({ render }) => render)
      const counts = text.split("\n").filter((line) => line.startsWith(`${httpRequestSeconds.name}_count`))
      assert.deepStrictEqual(counts.sort(), [
        `${httpRequestSeconds.name}_count{code="200",method="POST",route="/extension_server/{*filename}",server="internal"} 2`,
        `${httpRequestSeconds.name}_count{code="404",method="other",route="other",server="external"} 1`
      ])
    })
  )
)

describe("bodies", () => {
  it.live("a large spec is taken, beyond 64 MiB refused", () =>
    served(
      Effect.gen(function* () {
        // Refused for its status only: it has been read.
        yield* rig.running
        yield* Effect.flatMap(ComputeState, (state) => state.transition("terminate fast"))
        assert.strictEqual((yield* configure(padded(3_000_000))).status, 412)
        const refused = yield* configure("{}", { "content-length": 64 * 1024 * 1024 + 1 }).pipe(Effect.timeout(NET))
        assert.strictEqual(refused.status, 413)
        assert.match(refused.body, /^\{"error":"failed to buffer the request body: /)
      })
    )
  )

  it.live("without a token nothing of it is read", () =>
    served(
      Effect.gen(function* () {
        const { external } = yield* rig.serveAll()
        const answer = yield* rig.ask({
          port: external.port,
          method: "POST",
          path: "/configure",
          headers: { ...JSON_TYPE, "content-length": 10_000_000, authorization: "Bearer x" },
          body: "{"
        })
        assert.strictEqual(answer.status, 401)
      })
    )
  )

  for (const [bytes, status] of [
    [64 * 1024, 201],
    [64 * 1024 + 1, 413]
  ] as const) {
    it.live(`${bytes} bytes of another body, announced or in chunks: ${status}`, () =>
      served(
        Effect.gen(function* () {
          const { internal } = yield* rig.serveAll()
          const head = '{"extension":"a","database":"b","version":"'
          const body = `${head}${"1".repeat(bytes - head.length - 2)}"}`
          for (const headers of [JSON_TYPE, { ...JSON_TYPE, "transfer-encoding": "chunked" }]) {
            const answer = yield* rig.ask({ port: internal.port, method: "POST", path: "/extensions", headers, body })
            assert.strictEqual(answer.status, status)
          }
        })
      )
    )
  }

  const cases: ReadonlyArray<readonly [string, string | Buffer, string, number, RegExp]> = [
    ["+json is JSON", "{}", "application/foo+json; charset=utf-8", 422, /missing field `spec`/],
    ["case does not matter", "{}", "Application/JSON", 422, /missing field `spec`/],
    ["text is not", "{}", "text/json", 415, /^\{"error":"expected request with `content-type: application\/json`"\}$/],
    ["a truncated document", '{"spec":', "application/json", 400, /failed to parse the request body as json: /],
    ["bytes that are no UTF-8", Buffer.from([0x22, 0xff, 0x22]), "application/json", 400, /invalid unicode/],
    [
      "the first fault in reading order",
      '{"spec":{}',
      "application/json",
      422,
      /failed to deserialize the json body into the target type: spec: missing field `/
    ],
    [
      "a member given twice",
      `{"spec":${JSON.stringify(rig.spec)},"spec":${JSON.stringify(rig.spec)},"compute_ctl_config":{"jwks":{"keys":[]}}}`,
      "application/json",
      422,
      /duplicate field `spec`/
    ]
  ]
  for (const [name, body, type, status, text] of cases) {
    it.live(name, () =>
      served(
        Effect.gen(function* () {
          const answer = yield* configure(body, { "content-type": type })
          assert.strictEqual(answer.status, status, answer.body)
          assert.match(answer.body, text)
          assert.strictEqual(answer.headers["content-type"], "application/json")
        })
      )
    )
  }

  it.live("unknown members and what follows the value are ignored", () =>
    served(
      Effect.gen(function* () {
        const { internal } = yield* rig.serveAll()
        const answer = yield* rig.ask({
          port: internal.port,
          method: "POST",
          path: "/extensions",
          headers: JSON_TYPE,
          body: '{"extension":"a","more":1,"database":"b","version":"1"} trailing'
        })
        assert.strictEqual(answer.status, 201)
        assert.strictEqual(answer.body, '{"extension":"a","database":"b","version":"1"}')
      })
    )
  )

  it.live("a POST may have neither a body nor a length, nor a Host", () =>
    served(
      Effect.gen(function* () {
        const { internal } = yield* rig.serveAll()
        const answer = yield* raw(internal.port, "POST /extension_server/anon HTTP/1.1\r\nConnection: close\r\n\r\n")
        assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/)
        assert.include(answer, '{"filename":"anon","is_library":false}')
      })
    )
  )
})

describe("paths and queries", () => {
  const cases: ReadonlyArray<readonly [string, number, string]> = [
    ["/extension_server/a/b%20c%2Fd?is_library=true", 200, '{"filename":"a/b c/d","is_library":true}'],
    ["/extension_server/a+b?x=1&is_library=false&", 200, '{"filename":"a+b","is_library":false}'],
    ["/extension_server/x%ff", 400, '{"error":"invalid url: invalid utf-8 in `filename`"}'],
    [
      "/extension_server/x?is_library=yes",
      400,
      '{"error":"failed to deserialize query string: is_library: provided string was not `true` or `false`"}'
    ],
    [
      "/extension_server/x?is_library=true&is_library=true",
      400,
      '{"error":"failed to deserialize query string: duplicate field `is_library`"}'
    ]
  ]
  for (const [path, status, body] of cases) {
    it.live(path, () =>
      served(
        Effect.gen(function* () {
          const { internal } = yield* rig.serveAll()
          const answer = yield* rig.ask({ port: internal.port, method: "POST", path })
          assert.deepStrictEqual([answer.status, answer.body], [status, body])
        })
      )
    )
  }

  it.live("a query is decoded as a form", () =>
    served(
      Effect.gen(function* () {
        const { external } = yield* rig.serveAll()
        const database = (query: string) =>
          Effect.map(
            rig.ask({ port: external.port, path: `/database_schema?${query}`, headers: rig.bearer() }),
            ({ body }) => body
          )
        assert.strictEqual(yield* database("database=a+b%3D%F0%9F%98%80&other=%"), "a b=😀")
        assert.strictEqual(yield* database("database=%ff"), "\ufffd")
        assert.strictEqual(yield* database("%64atabase="), "")
      })
    )
  )

  for (const [path, text] of [
    ["/terminate?", "missing field `mode`"],
    ["/terminate?x=1", "missing field `mode`"],
    ["/terminate?mode=fast&mode=fast", "duplicate field `mode`"],
    ["/terminate?if_idle=soon", "if_idle: invalid digit found in string"]
  ]) {
    it.live(`${path} leaves the compute alone`, () =>
      served(
        Effect.gen(function* () {
          yield* rig.running
          const { external } = yield* rig.serveAll()
          const answer = yield* rig.ask({
            port: external.port,
            method: "POST",
            path: path ?? "",
            headers: rig.bearer()
          })
          assert.strictEqual(answer.status, 400)
          assert.strictEqual(answer.body, `Failed to deserialize query string: ${text}`)
          assert.strictEqual(answer.headers["content-type"], "text/plain; charset=utf-8")
          assert.strictEqual((yield* Effect.flatMap(ComputeState, ({ get }) => get)).status, "running")
        })
      )
    )
  }

  it.live("a whole URI in the request line", () =>
    served(
      Effect.gen(function* () {
        const { external } = yield* rig.serveAll()
        const answer = yield* raw(
          external.port,
          "GET http://example.org/livez HTTP/1.1\r\nHost: example.org\r\nConnection: close\r\n\r\n"
        )
        assert.match(answer, /^HTTP\/1\.1 200 OK/)
      })
    )
  )
})

describe("a body that people write by hand", () => {
  const plan = (body: string) =>
    Effect.flatMap(rig.serveAll(), ({ external }) =>
      rig.ask({ port: external.port, method: "POST", path: "/plan", headers: { ...rig.bearer(), ...JSON_TYPE }, body })
    )
  const wrong = { ...rig.spec, cluster: { roles: [{ name: 7 }], databases: [] }, mode: "Sideways" }

  it.live("is told all its faults, with their places and in the order of the text", () =>
    served(
      Effect.gen(function* () {
        const { body, status } = yield* plan(JSON.stringify({ spec: wrong }))
        assert.strictEqual(status, 422)
        const { error, faults } = JSON.parse(body)
        assert.match(
          error,
          /^failed to deserialize the json body into the target type: spec\.cluster\.roles\[0\]\.name: /
        )
        assert.deepStrictEqual(
          faults.map(({ path }: { readonly path: string }) => path),
          ["spec.cluster.roles[0].name", "spec.mode"]
        )
        assert.match(
          faults[0].message,
          /^spec\.cluster\.roles\[0\]\.name: invalid type: integer, expected a string at line 1/
        )
      })
    )
  )

  it.live("is told what of it nobody reads", () =>
    served(
      Effect.gen(function* () {
        const { body } = yield* plan(JSON.stringify({ spec: { ...rig.spec, pageserver_constring: "" } }))
        assert.deepStrictEqual(JSON.parse(body).unread, [
          {
            path: "spec.pageserver_constring",
            message: "nobody reads this member; did you mean `pageserver_connstring`?"
          }
        ])
      })
    )
  )

  it.live("is told the first fault alone when it is too long for people", () =>
    served(
      Effect.gen(function* () {
        const { body, status } = yield* plan(JSON.stringify({ spec: wrong }).padEnd(1024 * 1024 + 1))
        assert.strictEqual(status, 422)
        assert.deepStrictEqual(Object.keys(JSON.parse(body)), ["error"])
        assert.strictEqual((yield* plan("{")).status, 400)
      })
    )
  )
})

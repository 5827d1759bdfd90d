/**
 * The built program keeps to its OpenAPI document: 2,000 requests that the document leads to are answered with a status, a
 * content type and a shape that it has, and with no 5xx but those that are known.
 *
 * `FUZZ_SEED`: where they begin, always at the same place by default. It is printed.
 */
import { request as send } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as fc from "fast-check"
import { type Compute, startCompute } from "../rig/compute.ts"
import { startEmulator, startFakeEmulator } from "../rig/emulator.ts"
import { makeConfig } from "../rig/spec.ts"
import { faults, type Schema } from "./openapi.ts"
import { requests, type Sent } from "./requests.ts"

const SEED = Number(process.env["FUZZ_SEED"] ?? 20_250_101)
const LIMIT = 300_000

/** Failures that are part of the contract, by operation. The first five have the original's status. */
const KNOWN: ReadonlyArray<string> = [
  ...["install_extension 500", "set_role_grants 500", "promote 500", "database_schema 500"],
  "refresh_configuration 500",
  // A Postgres without Neon's extension has no socket for it.
  "autoscaling_metrics 500"
]
/** And where there is no Postgres. */
const KNOWN_EMPTY: ReadonlyArray<string> = [
  ...KNOWN,
  ...["dbs_and_roles 500", "hadron_liveness_probe 500", "readyz 503"]
]

interface Answered {
  readonly status: number
  readonly type: string | null
  readonly body: string
}

/** Of what has no end, as events, what comes first. */
const ask = ({ ports }: Compute, { body, described, headers, path, server }: Sent) =>
  Effect.callback<Answered, Error>((resume) => {
    const length = body === null ? {} : { "content-length": String(Buffer.byteLength(body)) }
    const options = { host: "127.0.0.1", port: ports[server], method: described.method, path, agent: false as const }
    const outgoing = send({ ...options, headers: { ...length, ...headers }, timeout: 60_000 }, (incoming) => {
      const type = incoming.headers["content-type"] ?? null
      const status = incoming.statusCode ?? 0
      let text = ""
      const done = () => resume(Effect.succeed({ status, type, body: text }))
      incoming.setEncoding("utf8")
      incoming.on("data", (part: string) => {
        text += part
        if (type !== "text/event-stream" || !text.includes("\n\n")) return
        done()
        outgoing.destroy()
      })
      incoming.on("error", done)
      incoming.on("end", done)
    })
    outgoing.on("timeout", () => outgoing.destroy(new Error("no answer within a minute")))
    outgoing.on("error", (error) => resume(Effect.fail(error)))
    outgoing.end(body ?? undefined)
    return Effect.sync(() => outgoing.destroy())
  })

/** The body as the value that its schema is of. */
const valueOf = (type: string, schema: Schema & { readonly format?: string }, body: string): unknown => {
  if (type === "text/event-stream") {
    const [, event, data = ""] = /^event: (\w+)\ndata: (.*)\n\n/.exec(body) ?? []
    return { event, data }
  }
  return type === "application/json" && schema.format !== "binary" ? JSON.parse(body) : body
}

/** What of an answer is not in the document; empty when all is. */
const complaint = (
  { described: { operation } }: Sent,
  { body, status, type }: Answered,
  known: ReadonlyArray<string>
): string => {
  const described = operation.responses[status]
  if (described === undefined) return "its status is not described"
  if (status >= 500 && !known.includes(`${operation.operationId} ${status}`)) return "it is a failure that nobody knows"
  // HttpApi describes a body for each success; an empty compute in lakebase mode ends without one.
  if (type === null) return body === "" && described.content === undefined ? "" : "it has no content type"
  const media = described.content?.[type]
  if (media === undefined) return `its type ${type} is not described`
  try {
    return faults(media.schema, valueOf(type, media.schema, body))
  } catch (error) {
    return String(error)
  }
}

const shown = ({ body, described, headers, path, server }: Sent) =>
  JSON.stringify({ server, method: described.method, path, headers, body: body?.slice(0, 1000) })

/** How often each answer was seen, by operation and status. */
const run = Effect.fnUntraced(function* (compute: Compute, all: ReadonlyArray<Sent>, known: ReadonlyArray<string>) {
  const seen = new Map<string, number>()
  for (const [index, sent] of all.entries()) {
    const answer = yield* ask(compute, sent)
    // What it begins is over before the next request: each run goes the same way.
    if (/^refresh/.test(sent.described.operation.operationId)) yield* compute.waitFor(["running", "empty"])
    const wrong = complaint(sent, answer, known)
    const { body, status, type } = answer
    assert.strictEqual(
      wrong,
      "",
      `request ${index} of seed ${SEED}: ${shown(sent)}\nanswered ${status} ${type}: ${body.slice(0, 1000)}`
    )
    const key = `${sent.described.operation.operationId} ${status}`
    seen.set(key, (seen.get(key) ?? 0) + 1)
  }
  return seen
})

const sample = (arbitrary: fc.Arbitrary<Sent>, numRuns: number) => fc.sample(arbitrary, { numRuns, seed: SEED })

/** Bodies that change the compute, and leave it one that runs. */
const changing = (compute: Compute) => {
  const named = fc.string({ minLength: 1, maxLength: 10, unit: "grapheme-ascii" }).map((name) => `made ${name}`)
  const cluster = compute.spec["cluster"] as { readonly roles: ReadonlyArray<unknown> }
  const specs = fc.array(named, { maxLength: 2 }).map((names) => ({
    ...compute.spec,
    cluster: { ...cluster, roles: [...cluster.roles, ...names.map((name) => ({ name }))] }
  }))
  return {
    configure: specs.map((spec) => makeConfig(spec)),
    plan_for: specs.map((spec) => ({ spec })),
    promote: specs.map((spec) => ({ spec, wal_flush_lsn: "0/0" })),
    install_extension: fc.constant({ extension: "plpgsql", database: "postgres", version: "1.0" }),
    set_role_grants: fc.constant({ database: "postgres", schema: "public", privileges: ["USAGE"], role: "cloud_admin" })
  }
}

describe("the contract", () => {
  it.live(
    `is kept by a compute that runs, and when it ends: 1600 requests, seed ${SEED}`,
    () =>
      Effect.gen(function* () {
        const compute = yield* startCompute({ emulator: yield* startEmulator() })
        yield* compute.waitFor("running")
        const seen = yield* run(compute, sample(requests(changing(compute)), 1600), KNOWN)
        // They went through all of it, and deep enough.
        const successes = [...seen.keys()].filter((key) => / 20[0-2]$/.test(key)).map((key) => key.replace(/ \d+$/, ""))
        assert.includeMembers(successes, ["status", "events", "configure", "plan_for", "last_apply", "set_role_grants"])
        for (const key of ["terminate 409", "configure 422", "status 401", "failpoints 404", "install_extension 201"]) {
          assert.isAbove(seen.get(key) ?? 0, 0, key)
        }
        yield* compute.waitFor("running")
        const end = { method: "POST", path: "/terminate" }
        const [first, second] = yield* Effect.all([compute.http(end), compute.http(end)])
        for (const answer of [first, second]) {
          const sent = requests().filter(({ described }) => described.operation.operationId === "terminate")
          const [terminate] = fc.sample(sent, { numRuns: 1, seed: SEED })
          assert.isDefined(terminate)
          const { body, headers, status } = answer
          assert.strictEqual(
            complaint(terminate as Sent, { status, type: String(headers["content-type"]), body }, []),
            ""
          )
        }
        assert.deepStrictEqual([first.status, second.status], [200, 201])
      }),
    LIMIT
  )

  it.live(
    `is kept by a compute that waits for a spec: 400 requests, seed ${SEED}`,
    () =>
      Effect.gen(function* () {
        const compute = yield* startCompute({ emulator: yield* startFakeEmulator(), spec: null })
        yield* compute.waitFor("empty")
        // An empty compute counts as idle, however long is asked for.
        const staying = requests().filter(({ described }) => described.operation.operationId !== "terminate")
        const seen = yield* run(compute, sample(staying, 400), KNOWN_EMPTY)
        assert.isAbove(seen.get("insights 412") ?? 0, 0)
        yield* compute.waitFor("empty")
      }),
    LIMIT
  )
})

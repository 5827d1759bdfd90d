import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type ApiRequest, type Compute, startCompute } from "../rig/compute.ts"
import { startEmulator } from "../rig/emulator.ts"
import { fullPgbin, pgbin } from "../rig/postgres.ts"
import { setting } from "../rig/spec.ts"
import { eventually, LIMIT } from "../rig/waits.ts"

interface Recorded {
  readonly request: Omit<ApiRequest, "body"> & {
    readonly body?: { readonly spec?: unknown } | string
    readonly body_repeat?: number
    readonly only?: ReadonlyArray<string>
  }
  readonly response: {
    readonly status: number
    readonly "content-type": string | null
    readonly allow?: string
    readonly body: string | Readonly<Record<string, boolean>>
  }
}

const hasDump = pgbin === fullPgbin
if (!hasDump) console.warn("skipped in part: this Postgres has no pg_dump")

const cases = (name: string): ReadonlyArray<Recorded> => {
  const all: ReadonlyArray<Recorded> = JSON.parse(
    fs.readFileSync(new URL(`../golden/http/${name}.json`, import.meta.url), "utf8")
  )
  return all.filter(
    ({ request, response }) => hasDump || response.status >= 400 || !/^.database_schema/.test(request.path)
  )
}

/** Answers that begin as recorded and then say the cause, which the original keeps to itself. */
const saysMore = ["failed to install extension", "failed to grant role privileges", "could not run `"]
/** Asked about something that does not exist or cannot be reached, where we know better than the original. */
const knownBetter = new Map([
  // An empty name is no database: the original falls back to the user's.
  ["GET /database_schema?database=", [404, 500]],
  // The original's pg_isready looks where this Postgres does not listen.
  ["GET /hadron_liveness_probe", [200, 500]]
])

const normalized = (text: string, compute: Compute): string =>
  text
    .replace(/"start_time":"[^"]*"/g, '"start_time":"TIME"')
    .replace(/("(?:[a-z_]+_(?:ms|micros|bytes))":)\d+/g, "$1N")
    .replaceAll(`--port ${compute.ports.postgres}`, "--port PGPORT")
    .replaceAll(/`\S*\/pg_isready/g, "`BINDIR/pg_isready")

const title = ({ request }: Recorded) => `${request.method ?? "GET"} ${request.path}`

const send = (compute: Compute, { body, body_repeat, only: _, ...request }: Recorded["request"]) => {
  const spec = typeof body === "object" && body.spec === "SPEC" ? { ...body, spec: compute.spec } : body
  const text = body_repeat === undefined ? spec : String(spec).repeat(body_repeat)
  return compute.http({ ...request, ...(text !== undefined && { body: text }) } as ApiRequest)
}

const compare = (compute: Compute, recorded: Recorded) =>
  Effect.gen(function* () {
    const { request, response } = recorded
    const name = `${title(recorded)} ${JSON.stringify(request.body ?? "").slice(0, 120)}`
    const answer = yield* send(compute, request)
    const better = knownBetter.get(title(recorded))
    if (better !== undefined) {
      assert.include(better, answer.status, name)
      return
    }
    assert.strictEqual(answer.status, response.status, `${name}: ${answer.body}`)
    assert.strictEqual(answer.headers["content-type"] ?? null, response["content-type"], name)
    if (response.allow !== undefined) assert.strictEqual(answer.headers["allow"], response.allow, name)
    const body = normalized(answer.body, compute)
    if (typeof response.body !== "string") {
      for (const [part, there] of Object.entries(response.body))
        assert.strictEqual(body.includes(part), there, `${name}: ${body}`)
      return
    }
    const wanted = normalized(response.body, compute)
    if (saysMore.some((prefix) => wanted.includes(prefix))) {
      assert.isTrue(body.startsWith(wanted.slice(0, -2)), `${name}: ${body}`)
      return
    }
    assert.strictEqual(body, wanted, name)
  })

describe("recorded answers", () => {
  it.live(
    "of a running primary",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const compute = yield* startCompute({
          emulator,
          spec: {
            cluster: { roles: [{ name: "alice", encrypted_password: null, options: null }] }
          },
          settings: [setting("shared_preload_libraries", "pg_stat_statements")]
        })
        yield* compute.waitFor("running")
        // They end in the background and touch what some of the requests ask about.
        yield* compute.waitForLog("Finished migration id=12")
        for (const name of ["auth", "routing", "bodies", "running"]) {
          for (const recorded of cases(name)) yield* compare(compute, recorded)
        }
      }),
    LIMIT
  )

  it.live(
    "of an empty compute",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const compute = yield* startCompute({ emulator, spec: null })
        yield* compute.waitFor("empty")
        for (const recorded of cases("empty")) yield* compare(compute, recorded)
      }),
    LIMIT
  )

  it.live(
    "of a request id that was sent, and of the metrics' families",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const compute = yield* startCompute({
          emulator,
          settings: [setting("shared_preload_libraries", "pg_stat_statements")]
        })
        yield* compute.waitFor("running")
        const answer = yield* compute.http({ path: "/status", headers: { "x-request-id": "abc-1" } })
        assert.strictEqual(answer.headers["x-request-id"], "abc-1")
        const fresh = yield* compute.http({ path: "/nope" })
        assert.match(
          String(fresh.headers["x-request-id"]),
          /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/
        )
        const history = JSON.parse((yield* compute.http({ path: "/history" })).body)
        const kinds = history.events.map(
          ({ kind, state, status }: Record<string, string>) => `${kind} ${state ?? status}`
        )
        assert.includeMembers(kinds, ["state init", "apply running", "apply done", "state running"])
        const types = (text: string) => text.split("\n").filter((line) => line.startsWith("# TYPE"))
        const recordedTypes = types(fs.readFileSync(path.resolve("test/golden/http/metrics.txt"), "utf8"))
        // Those of the extensions come when they have been looked at.
        const { body } = yield* eventually(
          "all recorded families",
          compute.http({ path: "/metrics", token: null }),
          (answer) => recordedTypes.every((type) => types(answer.body).includes(type))
        )
        assert.deepStrictEqual(types(body).slice(0, recordedTypes.length), recordedTypes)
        assert.include(body, 'compute_ctl_up{build_tag="latest",status="running"} 1')
      }),
    LIMIT
  )
})

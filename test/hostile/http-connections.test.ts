import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { connect, connectMany, descriptors, growth, statuses } from "../rig/clients.ts"
import { type Compute, type ComputeOptions, program, startCompute } from "../rig/compute.ts"
import { startFakeEmulator } from "../rig/emulator.ts"
import { tempDir } from "../rig/postgres.ts"
import { until } from "../rig/waits.ts"

const LIMIT = 300_000
const MAX_CONNECTIONS = 1000

/** An empty compute has both servers, and nothing of Postgres is waited for. */
const empty = (more: Partial<ComputeOptions> = {}) =>
  Effect.gen(function* () {
    const compute = yield* startCompute({ emulator: yield* startFakeEmulator(), spec: null, ...more })
    yield* compute.waitFor("empty")
    return compute
  })

const ask = (compute: Compute, path: string, server: "external" | "internal" = "external") =>
  Effect.map(compute.http({ path, server, token: null }), ({ status }) => status)

const sample = (compute: Compute, name: string) =>
  Effect.map(compute.http({ path: "/metrics" }), ({ body }) =>
    Number(
      body
        .split("\n")
        .find((line) => line.startsWith(name))
        ?.split(" ")
        .at(-1) ?? Number.NaN
    )
  )

describe("more connections than there may be", () => {
  for (const [server, mode, args] of [
    ["external", "", []],
    ["internal", "", []],
    ["external", " in lakebase mode", ["--lakebase-mode", "true"]]
  ] as const) {
    it.live(
      `close those that have been silent longest, and are counted, on the ${server} server${mode}`,
      () =>
        Effect.gen(function* () {
          const compute = yield* empty({ args })
          const port = compute.ports[server]
          const early = yield* connectMany(port, 100)
          const grown = yield* growth(compute.pid)
          // This one has been there from the start, but has asked since.
          const [first] = early
          first?.socket.write("GET /nowhere HTTP/1.1\r\n\r\n")
          yield* until("an answer", () => statuses(first?.received() ?? "").length === 1)
          const late = yield* connectMany(port, MAX_CONNECTIONS)
          assert.strictEqual(yield* ask(compute, "/nowhere", server), 404)
          const gone = () => early.filter(({ closed }) => closed()).length
          yield* until("the oldest to be closed", () => gone() >= 99)
          assert.isAtMost(late.filter(({ closed }) => closed()).length, 3)
          assert.isBelow(grown(), 200)
          const count = yield* sample(compute, `compute_ctl_http_connections{server="${server}"}`)
          assert.isAtMost(count, MAX_CONNECTIONS)
          assert.isAtLeast(count, MAX_CONNECTIONS - 3)
          const closed = `compute_ctl_http_connections_closed_total{reason="limit",server="${server}"}`
          assert.isAtLeast(yield* sample(compute, closed), 100)
          const told = compute
            .log()
            .split("\n")
            .filter((line) => line.includes("the longest idle make room"))
          assert.strictEqual(told.length, 1)
        }),
      LIMIT
    )
  }

  it.live(
    "do not close one that is being answered, and probes are served",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        const env = { COMPUTE_CTL_TESTING: "1", FAILPOINTS: "compute-prewarm=sleep(1)" }
        const compute = yield* startCompute({ emulator, spec: null, env })
        yield* compute.waitFor("empty")
        const token = compute.http({ path: "/status" })
        assert.strictEqual((yield* token).status, 200)
        // A body that comes slowly is a request under way.
        const slow = yield* connect(compute.ports.internal)
        const body = '[{"name":"compute-prewarm","actions":"off"}]'
        const head = `POST /failpoints HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
        slow.socket.write(head + body.slice(0, 5))
        yield* connectMany(compute.ports.internal, MAX_CONNECTIONS + 100)
        slow.socket.write(body.slice(5))
        yield* until("the answer to the slow one", () => statuses(slow.received()).length === 1)
        assert.deepStrictEqual(statuses(slow.received()), [200])
      }),
    LIMIT
  )

  it.live(
    "do not delay the end",
    () =>
      Effect.gen(function* () {
        const compute = yield* empty()
        const clients = [
          ...(yield* connectMany(compute.ports.external, 900)),
          ...(yield* connectMany(compute.ports.internal, 900))
        ]
        for (const [index, { socket }] of clients.entries())
          if (index % 3 === 0) socket.write("GET /status HTTP/1.1\r\n")
        compute.signal("SIGTERM")
        yield* compute.ended
      }),
    LIMIT
  )
})

describe("a process with few file descriptors", () => {
  it.live(
    "says that they run out, serves probes and recovers",
    () =>
      Effect.gen(function* () {
        const dir = yield* tempDir("few-descriptors-")
        const limited = path.join(dir, "compute_ctl")
        yield* Effect.sync(() => {
          const [command = "", ...leading] = program()
          fs.writeFileSync(limited, `#!/bin/bash\nulimit -n 160\nexec ${[command, ...leading].join(" ")} "$@"\n`, {
            mode: 0o755
          })
        })
        const before = process.env["COMPUTE_CTL_BIN"]
        process.env["COMPUTE_CTL_BIN"] = limited
        const compute = yield* empty().pipe(
          Effect.ensuring(
            Effect.sync(() => {
              if (before === undefined) delete process.env["COMPUTE_CTL_BIN"]
              else process.env["COMPUTE_CTL_BIN"] = before
            })
          )
        )
        const atFirst = descriptors(compute.pid)
        yield* connectMany(compute.ports.external, 400).pipe(
          Effect.andThen(
            Effect.forEach([1, 2, 3, 4, 5], () =>
              Effect.andThen(
                Effect.map(ask(compute, "/livez"), (status) => assert.strictEqual(status, 200)),
                Effect.sleep("300 millis")
              )
            )
          ),
          Effect.scoped
        )
        yield* compute.waitForLog("the process is running out of file descriptors")
        assert.strictEqual(yield* ask(compute, "/livez"), 200)
        const closed = 'compute_ctl_http_connections_closed_total{reason="descriptors",server="external"}'
        assert.isAtLeast(yield* sample(compute, closed), 100)
        yield* until("the descriptors to be given back", () => descriptors(compute.pid) <= atFirst + 12)
      }),
    LIMIT
  )
})

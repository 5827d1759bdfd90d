/**
 * What the verbs that ask a compute show of its answers.
 */
import * as fs from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { colours } from "../../../../src/cli/terminal/Paint.ts"
import { width } from "../../../../src/cli/terminal/table.ts"
import { applyText } from "../../../../src/cli/verbs/computes/apply.ts"
import { historyText } from "../../../../src/cli/verbs/computes/history.ts"
import { none } from "../../../../src/cli/verbs/computes/status/extras.ts"
import { askCompute } from "../../../../src/cli/verbs/computes/status/postgres.ts"
import { statusText } from "../../../../src/cli/verbs/computes/status/screen.ts"
import { topText } from "../../../../src/cli/verbs/computes/top.ts"
import type { StatusDetail } from "../../../../src/http/api/shapes/StatusDetail.ts"
import { runProgram } from "../../../rig/compute.ts"
import { tempDir } from "../../../rig/postgres.ts"

const detail: StatusDetail = {
  start_time: "2026-02-03T04:00:00Z",
  tenant: "b0554b632bd4d547a63b86c3630317e8",
  timeline: "1e8a3f1d2c4b5a69788796a5b4c3d2e1",
  status: "configuration_pending",
  last_active: null,
  error: "failed to get basebackup\n\nCaused by:\n    timed out",
  compute_id: "ep-test-1",
  now: "2026-02-03T05:05:06Z",
  since: "2026-02-03T05:05:00Z",
  postgres_runs: true,
  keys: [{ kid: "one", since: "2026-02-03T04:00:00Z", counts: "always" }],
  waits: [
    { name: "basebackup", since: "2026-02-03T05:05:04Z", deadline: "2026-02-03T05:06:04Z" },
    { name: "a spec", since: "2026-02-03T05:05:06Z", deadline: null, detail: "try 2\nof 3" }
  ],
  services: [
    { name: "monitor", state: "running", restarts: 0, last_error: null },
    { name: "migrations", state: "ended", restarts: 0, last_error: null },
    { name: "lease", state: "backing off", restarts: 3, last_error: "refused" }
  ],
  failed_databases: [{ database: "shop", object: 'extension "x"', error: "no such file" }],
  refused_settings: [
    {
      name: "shared_buffers",
      value: "1GB",
      file: "postgresql.conf",
      line: 7,
      reason: "cannot be changed without restarting the server",
      waits_for_restart: true
    }
  ]
}
const standby = { received_lsn: "0/3000060", replayed_lsn: "0/3000000", behind_bytes: 96, behind_seconds: 2 }

describe("compute_ctl status", () => {
  it("has a section for each thing an operator looks for", () => {
    const text = statusText({
      status: detail,
      extras: { build: "release-1", downtime: 1500, standby, activity: "no" },
      now: 0
    })
    assert.strictEqual(
      text,
      `Compute ep-test-1
  status        configuration-pending, since 6 s ago (2026-02-03T05:05:00Z)
  started       1 h 5 min ago (2026-02-03T04:00:00Z)
  last active   never
  in use        no
  tenant        b0554b632bd4d547a63b86c3630317e8
  timeline      1e8a3f1d2c4b5a69788796a5b4c3d2e1
  build         release-1

Postgres
  server        runs
  downtime      no answer for 2 s
  received      0/3000060
  replayed      0/3000000
  lag           96 B, last replayed transaction 2 s ago

Waits for
  what        for  left
  basebackup  2 s  58 s
  a spec      0 s  no deadline  try 2 of 3

Services
  running       monitor
  ended         migrations
  lease  backing off  3 restarts  refused

Settings not in force
  name            value  why                  where
  shared_buffers  1GB    waits for a restart  postgresql.conf:7

Databases that the last apply could not finish
  "shop"  extension "x"  no such file

Keys of the API
  one  always  since 2026-02-03T04:00:00Z

Error
  failed to get basebackup

  Caused by:
      timed out`
    )
  })

  it("fits a terminal, in colours", () => {
    const long = {
      ...detail,
      error: "word ".repeat(60),
      services: detail.services.map((one) => ({ ...one, last_error: "why ".repeat(50) }))
    }
    const text = statusText({ status: long, extras: none, now: 0 }, { paint: colours, room: 72 })
    for (const line of text.split("\n")) assert.isAtMost(width(line), 72, line)
    assert.include(text, "\x1b[")
  })

  it("is content with what the original answers", () => {
    const { error, last_active, start_time, status, tenant, timeline } = detail
    const text = statusText({
      status: { error, last_active, start_time, status, tenant, timeline },
      extras: none,
      now: Date.parse(detail.now)
    })
    assert.match(text, /^Compute\n {2}status +configuration-pending\n {2}started +1 h 5 min ago/)
    assert.notInclude(text, "Waits")
  })
})

describe("compute_ctl top", () => {
  it("has a line for each, also for one that does not answer", () => {
    const text = topText(
      [
        { url: "http://10.0.0.7:3080", found: { ...detail, error: null }, error: null },
        { url: "http://10.0.0.8:3080", found: null, error: "no answer in time" },
        { url: "http://10.0.0.9:3080", found: null, error: "answered 401", refused: true, tip: "another token" },
        { url: "http://10.0.0.10:3080", found: null, error: null }
      ],
      0
    )
    assert.strictEqual(
      text,
      `where           compute    status                 for  last active  waits for, or error
10.0.0.7:3080   ep-test-1  configuration-pending  6 s  never        basebackup, a spec
10.0.0.8:3080              unreachable                              no answer in time
10.0.0.9:3080              refused                                  answered 401
10.0.0.10:3080             asking
tip: another token`
    )
  })
})

describe("compute_ctl apply", () => {
  it("shows phases, and of the steps those that failed", () => {
    const error = { sqlstate: "42501", message: "permission denied", detail: null, hint: "ask the owner" }
    const step = {
      object: 'role "a"',
      reason: "missing",
      database: null,
      sql: "CREATE ROLE a",
      duration_ms: 1,
      because: null,
      blocked_by: []
    }
    const text = applyText({
      trigger: "start",
      state: "failed",
      started_at: "2026-02-03T04:00:00Z",
      duration_ms: 12.4,
      databases_visited: 2,
      databases_settled: 1,
      phases: [
        {
          phase: "roles",
          state: "failed",
          duration_ms: 3,
          steps: [
            { ...step, state: "done", error: null },
            { ...step, state: "failed", database: "shop", error }
          ]
        }
      ],
      reconfiguration: null
    })
    assert.strictEqual(
      text,
      `Last apply
  state         failed 12 ms
  at            start 2026-02-03T04:00:00Z
  databases     2 visited, 1 settled

Phases
  roles  failed  3 ms  1 done, 1 failed

Steps that failed
  role "a" in "shop"  42501: permission denied
    hint        ask the owner`
    )
  })
})

describe("compute_ctl history", () => {
  it("has a line for each event, known or not", () => {
    const events = [
      { kind: "state", at: "T1", from: null, status: "init", cause: "spec at start", error: null },
      { kind: "apply", at: "T2", trigger: "start", state: "done", duration_ms: 20, error: null },
      { kind: "refresh", at: "T3", outcome: "failed", error: "no\nanswer" },
      { kind: "new", at: "T4", more: {} }
    ]
    const shown = `at  kind     what        why
T1  state    init        spec at start
T2  apply    start done  20 ms
T3  refresh  failed      no answer
T4  new`
    assert.strictEqual(historyText(JSON.stringify(events)), shown)
    assert.strictEqual(historyText(JSON.stringify({ version: 1, events })), shown)
    assert.strictEqual(historyText("[]"), "nothing has happened yet")
  })
})

/** A compute with these answers, and 404 for all others. */
const computeWith = (answers: Readonly<Record<string, unknown>>, status = 200) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly close: () => void }>((resume) => {
      const server = http.createServer((request, response) => {
        const answer = answers[request.url ?? ""]
        response
          .writeHead(answer === undefined ? 404 : status, { "content-type": "application/json" })
          .end(JSON.stringify(answer === undefined ? { error: "not found" } : answer))
      })
      server.listen(0, "127.0.0.1", () => {
        const { port } = server.address() as AddressInfo
        const close = () => {
          server.closeAllConnections()
          server.close()
        }
        resume(Effect.succeed({ url: `127.0.0.1:${port}`, close }))
      })
    }),
    ({ close }) => Effect.sync(close)
  )

const run = (...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const running = yield* runProgram(args)
    const { code } = yield* running.ended
    return { code, stdout: running.stdout(), log: running.log() }
  })

/** Runs until somebody listens to its events, and has terminated when it has told one. */
const computeThatEnds = Effect.acquireRelease(
  Effect.callback<{ readonly url: string; readonly asked: Array<string>; readonly close: () => void }>((resume) => {
    const asked: Array<string> = []
    let status = "running"
    const server = http.createServer((request, response) => {
      const { headers, url } = request
      if (url === "/events") {
        asked.push(`${headers.accept} ${headers.authorization}`)
        response.writeHead(200, { "content-type": "text/event-stream" })
        status = "terminated"
        response.write('event: state\ndata: {"kind":"state"}\n\n')
      } else if (url === "/status/detail") {
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ ...detail, status }))
      } else response.writeHead(404).end()
    })
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo
      const close = () => {
        server.closeAllConnections()
        server.close()
      }
      resume(Effect.succeed({ url: `127.0.0.1:${port}`, asked, close }))
    })
  }),
  ({ close }) => Effect.sync(close)
)

describe("verbs that ask", () => {
  it.live("look again when they are told that something happened", () =>
    Effect.gen(function* () {
      const { asked, url } = yield* computeThatEnds
      const { code, stdout } = yield* run("status", "--watch", "--url", url, "--token", "secret")
      assert.strictEqual(code, 3)
      assert.match(stdout, /status +terminated/)
      assert.deepStrictEqual(asked, ["text/event-stream Bearer secret"])
    }).pipe(Effect.scoped)
  )

  it.live("show the others while one of many does not answer", () =>
    Effect.gen(function* () {
      const silent = yield* Effect.acquireRelease(
        Effect.callback<http.Server>((resume) => {
          const server = http.createServer(() => {})
          server.listen(0, "127.0.0.1", () => resume(Effect.succeed(server)))
        }),
        (server) =>
          Effect.sync(() => {
            server.closeAllConnections()
            server.close()
          })
      )
      const { url } = yield* computeWith({ "/status/detail": { ...detail, status: "running", error: null } })
      const port = (silent.address() as AddressInfo).port
      const running = yield* runProgram(["top", "--watch", "--url", `127.0.0.1:${port}`, "--url", url])
      yield* running.written("  unreachable ")
      assert.match(running.stdout(), /asking\n.* ep-test-1 +running/)
    }).pipe(Effect.scoped)
  )

  it.live("want an address", () =>
    Effect.gen(function* () {
      const file = path.join(yield* tempDir("top-"), "fleet")
      fs.writeFileSync(file, "# none yet\n\n")
      const { code, log } = yield* run("top", "--file", file)
      assert.strictEqual(code, 2)
      assert.include(log, `${file} has no addresses`)
    }).pipe(Effect.scoped)
  )

  it.live("say that Postgres has not answered, and nothing where it could not be asked", () =>
    Effect.gen(function* () {
      const asked = (status: number) =>
        Effect.flatMap(computeWith({ "/postgres": { error: "no answer in time" } }, status), ({ url }) =>
          askCompute({ url: `http://${url}`, token: null })
        )
      const hung = yield* asked(500)
      assert.deepStrictEqual(hung, { place: null, found: null, error: "no answer in time" })
      assert.include(
        statusText({ status: detail, extras: none, facts: hung, now: 0 }),
        "  asked         no answer in time\n"
      )
      for (const status of [404, 412]) assert.isNull(yield* asked(status))
    }).pipe(Effect.scoped)
  )

  it.live("end with the compute's state, and print what they got as JSON", () =>
    Effect.gen(function* () {
      const activity = {
        active: true,
        active_since: "T",
        last_active: "T",
        checked_at: "T",
        monitor: "watching",
        reasons: []
      }
      const well = yield* computeWith({
        "/status/detail": { ...detail, status: "running" },
        "/apply": null,
        "/activity": activity,
        "/postgres": {
          version: "17.5",
          is_standby: false,
          lsn: "0/16B9188",
          wal_timeline: "1",
          mode: "primary",
          branch: "br-1",
          endpoint: "ep-test-1",
          pending_restart: null,
          settings: [
            { name: "port", value: "5433", source: "configuration file", file: "/pgdata/postgresql.conf", line: 3 }
          ],
          slots: [{ name: "follower", kind: "physical", active: true, behind: 2048, wal: "reserved" }],
          standbys: [],
          certificate_ends: null
        }
      })
      const failed = yield* computeWith({ "/status/detail": { ...detail, status: "failed" } })
      const url = ["--url", well.url] as const
      const [status, screen, watched, top, apply, used, history] = yield* Effect.all(
        [
          run("status", ...url, "--json"),
          run("status", ...url, "--settings"),
          run(
            "status",
            "--watch",
            "--url",
            (yield* computeWith({ "/status/detail": { ...detail, status: "terminated" } })).url
          ),
          run("top", ...url, "--url", failed.url, "--json"),
          run("apply", ...url),
          run("activity", ...url),
          run("history", ...url)
        ],
        { concurrency: 3 }
      )
      assert.strictEqual(status.code, 0, status.log)
      assert.strictEqual(JSON.parse(status.stdout).compute_id, "ep-test-1")
      for (const shown of [
        /^ {2}port +5433$/m,
        /^ {2}version +17\.5$/m,
        /^ {2}LSN +0\/16B9188 \(flushed\), WAL timeline 1$/m,
        /^Replication slots\n {2}follower {2}physical {2}active {2}2\.0 kB behind {2}WAL reserved$/m,
        /^Settings in force\n {2}name +value +where\n {2}port +5433 +postgresql\.conf:3$/m
      ]) {
        assert.match(screen.stdout, shown)
      }
      // No terminal, so no escapes; it ends with the compute.
      assert.strictEqual(watched.code, 3, watched.log)
      assert.match(watched.stdout, /^Compute ep-test-1\n {2}status +terminated/)
      assert.strictEqual(top.code, 1)
      assert.lengthOf(JSON.parse(top.stdout), 2)
      assert.deepStrictEqual([apply.code, apply.stdout], [0, "nothing was applied yet\n"])
      assert.deepStrictEqual([used.code, used.stdout.split("\n")[0]], [0, "in use        yes, since T"])
      assert.strictEqual(history.code, 1)
      assert.include(history.log, "keeps no history")
      assert.notInclude(history.log, "tip")
    }).pipe(Effect.scoped)
  )
})

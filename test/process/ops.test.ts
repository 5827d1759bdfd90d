/**
 * Operations on a running compute, step by step as recorded from the original on a real Postgres.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Emulator } from "../../src/emulator/Emulator.ts"
import { type Compute, type ComputeOptions, startCompute } from "../rig/compute.ts"
import { startEmulator } from "../rig/emulator.ts"
import type { SpecJson } from "../rig/spec.ts"
import { makeConfig, pageservers } from "../rig/spec.ts"
import { LIMIT, NET } from "../rig/waits.ts"

type Step = readonly [step: string, seen: string | number | boolean | ReadonlyArray<string | number>]

const folder = path.join(import.meta.dirname, "../golden/ops")

interface Case {
  readonly options?: (emulator: Emulator) => Omit<ComputeOptions, "emulator">
  /** Done between the start and the steps. */
  readonly prepare?: (compute: Compute, emulator: Emulator) => void
  readonly bodies?: (compute: Compute) => Readonly<Record<string, unknown>>
}

const cache = (emulator: Emulator, more: SpecJson = {}): SpecJson => ({
  endpoint_id: "ep-1",
  endpoint_storage_addr: emulator.addresses.endpoint_storage,
  endpoint_storage_token: "es-token",
  ...more
})

const rewrite = (compute: Compute, spec: SpecJson | null) =>
  fs.writeFileSync(compute.configPath, JSON.stringify(makeConfig(spec)))

const promotion = (walFlushLsn: string) => ({
  options: (emulator: Emulator) => ({ spec: cache(emulator, { mode: "Replica" }) }),
  bodies: (compute: Compute) => ({
    "/promote": { spec: { ...compute.spec, mode: "Primary" }, wal_flush_lsn: walFlushLsn }
  })
})

const cases: Readonly<Record<string, Case>> = {
  "autoprewarm-and-offload": {
    options: (emulator) => ({ spec: cache(emulator, { autoprewarm: true, offload_lfc_interval_seconds: 1 }) })
  },
  "grpc-primary": {
    options: ({ addresses }) => ({ spec: { ...pageservers(addresses, "grpc"), storage_auth_token: "tok" } })
  },
  "lakebase-empty-terminate": {
    options: () => ({ spec: null, args: ["--lakebase-mode", "true"], env: { INSTANCE_ID: "i-1" } })
  },
  "lfc-cycle": { options: (emulator) => ({ spec: cache(emulator) }) },
  "lfc-not-configured": { options: () => ({ spec: { endpoint_id: "ep-1" } }) },
  promote: promotion("0/1"),
  "promote-behind": promotion("FF/0"),
  "promote-refused": promotion("0/1"),
  "refresh-detached": { prepare: (compute) => rewrite(compute, null) },
  "refresh-from-control-plane": {
    options: () => ({ source: "control-plane", env: { NEON_CONTROL_PLANE_TOKEN: "cp-token" } })
  },
  "refresh-new-pageserver": {
    prepare: (compute, { addresses }) =>
      rewrite(compute, { ...compute.spec, pageserver_connstring: moved(addresses.pageservers[0] ?? "") })
  },
  "refresh-same": {},
  replica: {
    options: () => ({ spec: { mode: "Replica" } }),
    bodies: (compute) => ({ "/configure": makeConfig(compute.spec) })
  },
  "storage-token": { options: () => ({ spec: { storage_auth_token: "tok" } }) },
  "terminate-fast": {
    bodies: (compute) => ({ "/configure": makeConfig(compute.spec) })
  }
}

const moved = (url: string) => url.replace("no_user", "moved")

/** Values that differ from run to run. */
const normal = (text: string, emulator: Emulator): string =>
  text
    .replaceAll(/"start_time":"[^"]*"/g, '"start_time":"TIME"')
    .replaceAll(/"([a-z_]+_ms)":\d+/g, '"$1":N')
    .replaceAll(new URL(emulator.addresses.pageservers[0] ?? "").port, "PS")

const settled = (body: string) => !/"status":"(prewarming|offloading|not_)/.test(body)

/** Polls until the answer satisfies; the last one when it never does. */
const eventually = <A, E>(effect: Effect.Effect<A, E>, isWanted: (value: A) => boolean, limit = NET) => {
  const end = Date.now() + limit
  const poll: Effect.Effect<A, E> = Effect.flatMap(effect, (value) =>
    isWanted(value) || Date.now() > end ? Effect.succeed(value) : Effect.delay(poll, 20)
  )
  return poll
}

/** Never shorter; a busy machine adds to it. `since`: before it was asked for. */
const lasted = (since: number, millis: number): boolean => {
  const took = performance.now() - since
  return took >= millis && took < millis + 20_000
}

const conf = (compute: Compute) => fs.readFileSync(path.join(compute.pgdata, "postgresql.conf"), "utf8")

/** Distinct requests since the last time somebody looked, sorted. */
const asking = (emulator: Emulator) => {
  let seen = 0
  return (peers: ReadonlyArray<string>, show: (asked: Emulator["world"]["asked"][number]) => string | null) => {
    const fresh = emulator.world.asked.slice(seen)
    seen = emulator.world.asked.length
    return JSON.stringify(
      [...new Set(fresh.filter(({ peer }) => peers.includes(peer)).flatMap((asked) => show(asked) ?? []))].sort()
    )
  }
}

const run = (name: string, { options, prepare, bodies }: Case) =>
  Effect.gen(function* () {
    const recorded: ReadonlyArray<Step> = JSON.parse(fs.readFileSync(path.join(folder, `${name}.json`), "utf8"))
    const emulator = yield* startEmulator()
    const compute = yield* startCompute({ emulator, ...options?.(emulator) })
    const asked = asking(emulator)
    let before = ""
    let terminated = 0
    let observed = 0

    const http = (step: string) =>
      Effect.gen(function* () {
        const [method = "GET", where = "/"] = step.split(" ")
        const server = where === "/refresh_configuration" ? "internal" : "external"
        const body = bodies?.(compute)[where]
        const token = name.startsWith("lakebase") ? null : undefined
        if (where.startsWith("/terminate") && terminated === 0) terminated = performance.now()
        return yield* compute.http({ method, path: where, server, body, ...(token === null && { token }) })
      })
    const answer = (step: string, wanted: Step[1]) =>
      Effect.gen(function* () {
        // What a nudge leads to is seen a moment later.
        const patient = step.startsWith("GET") && recorded[0]?.[1] === "running"
        const shown = Effect.map(http(step), ({ status, body }) => {
          const text = body === "" ? '""' : normal(body, emulator)
          return `[${status},${text}]`
        })
        return yield* patient ? eventually(shown, (seen) => seen === wanted) : shown
      })

    const observe = (step: string, wanted: Step[1]): Effect.Effect<Step[1], Error> =>
      Effect.gen(function* () {
        switch (step) {
          case "start": {
            yield* compute.waitFor("running")
            before = conf(compute)
            prepare?.(compute, emulator)
            return "running"
          }
          case "terminate": {
            yield* compute.waitForLog("listening")
            const { status, body } = yield* http("POST /terminate")
            return [status, body]
          }
          case "exit": {
            const { code } = yield* compute.ended
            return typeof wanted === "string" ? String(code) : (code ?? -1)
          }
          case "after about 5 s":
            return lasted(terminated, 5000)
          case "stayed about 30 s":
            return lasted(terminated, 30_000) ? "True" : "False"
          case "conf unchanged":
            return conf(compute) === before ? "True" : "False"
          case "conf": {
            const read = Effect.sync(() =>
              conf(compute)
                .split("\n")
                .filter((line) => line.startsWith("neon.pageserver_connstring"))
                .map((line) => `${normal(line, emulator)}\n`)
            )
            return JSON.stringify(yield* eventually(read, (lines) => lines.some((line) => line.includes("moved"))))
          }
          case "show neon.pageserver_connstring":
            return yield* eventually(
              Effect.map(compute.sql(step), (text) => normal(text, emulator)),
              (text) => text === wanted
            )
          case "files":
            return JSON.stringify(
              Object.fromEntries(
                ["standby.signal", "neon.signal"].map((file) => [file, fs.existsSync(path.join(compute.pgdata, file))])
              )
            )
          case "postgres environment": {
            const pid = fs.readFileSync(path.join(compute.pgdata, "postmaster.pid"), "utf8").split("\n")[0] ?? ""
            const env = fs.readFileSync(`/proc/${pid}/environ`, "utf8").split("\0")
            return JSON.stringify(env.filter((entry) => entry.startsWith("NEON_AUTH_TOKEN=")))
          }
          case "asked http":
            if (name === "refresh-from-control-plane" && observed > 3) yield* compute.waitForLog("nothing to refresh")
            return asked(["storage", "control"], ({ text, detail }) => `${text} ${detail["authorization"] ?? ""}`)
          case "asked ps":
            return asked(["pageserver"], ({ what, text }) => (what === "query" ? text : null))
          case "asked sk":
            return asked(["safekeeper"], ({ what, text }) => (what === "query" ? text : null))
          case "asked grpc":
            return JSON.stringify(
              emulator.world.asked.filter(({ peer }) => peer === "grpc").map(({ text, detail }) => [text, detail])
            )
        }
        if (step.startsWith("metric ")) {
          const body = (yield* compute.http({ path: "/metrics" })).body.replaceAll(
            /build_tag="[^"]*"/g,
            'build_tag="T"'
          )
          return JSON.stringify(body.split("\n").filter((line) => line.startsWith(step.slice(7))))
        }
        if (step.endsWith(" settles")) {
          const where = step.split(" ")[0] ?? ""
          const { body } = yield* eventually(compute.http({ path: where }), (seen) => settled(seen.body))
          return normal(body, emulator)
        }
        if (/^(GET|POST|DELETE) /.test(step)) return yield* answer(step, wanted)
        if (step === "create table t(i int)") {
          // No WAL proposer confirms commits here.
          yield* compute.sql(`set synchronous_commit=local; ${step}`)
          return (yield* compute.sql("select relname from pg_class where relname = 't'")) === "t" ? wanted : "no table"
        }
        return yield* compute.sql(step)
      })

    for (const [step, wanted] of recorded) {
      observed += 1
      const seen = yield* observe(step, wanted)
      compare(name, step, seen, wanted, compute)
    }
    if (recorded.some(([step]) => step === "exit")) assert.deepStrictEqual(yield* compute.processes, [])
  })

/** Where the original is known to be wrong, what is right stands here. */
const right: Readonly<Record<string, string>> = {
  "terminate-fast: metric compute_ctl_up": '["compute_ctl_up{build_tag=\\"T\\",status=\\"terminated\\"} 1"]'
}

const compare = (name: string, step: string, seen: Step[1], wanted: Step[1], compute: Compute) => {
  if (step === "asked grpc") {
    assert.include(String(seen), "GetBaseBackup")
    for (const value of ["Bearer tok", "b0554b632bd4d547a63b86c3630317e8", "1e8a3f1d2c4b5a69788796a5b4c3d2e1"]) {
      assert.include(String(seen), value)
    }
    return
  }
  assert.deepStrictEqual(seen, right[`${name}: ${step}`] ?? wanted, `${step}\n${compute.log().slice(-3000)}`)
}

// Most of their time is the waits that were recorded: half a minute after a termination, twenty tries of a promotion.
describe.concurrent("recorded operations", () => {
  const files = fs.readdirSync(folder).map((file) => file.replace(".json", ""))

  it("are all replayed", () => assert.deepStrictEqual(files.sort(), Object.keys(cases).sort()))

  for (const [name, given] of Object.entries(cases)) {
    it.live(name, () => run(name, given), LIMIT)
  }
})

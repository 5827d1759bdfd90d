/**
 * What probes and `/status` take beside hostile clients, and what these cost in memory. The machine has other work, the
 * attacker's at least: what it costs is seen at another compute, which nobody attacks and which is asked at the same time.
 *
 *     npm run bench -- flood                      dist/compute_ctl
 *     npm run bench -- flood --seconds 10 silent  the attacks with `silent` in their names
 */
import * as fs from "node:fs"
import * as net from "node:net"
import * as path from "node:path"
import { Worker } from "node:worker_threads"
import * as Effect from "effect/Effect"
import { type Compute, startCompute } from "../test/rig/compute.ts"
import { startFakeEmulator } from "../test/rig/emulator.ts"
import { adminToken } from "../test/rig/tokens.ts"
import { attacks } from "./flood/attacks.ts"

const args = process.argv.slice(2)
const secondsAt = args.indexOf("--seconds")
const seconds = secondsAt < 0 ? 5 : Number(args[secondsAt + 1])
const wanted = args.filter((_, at) => secondsAt < 0 || (at !== secondsAt && at !== secondsAt + 1))
process.env["COMPUTE_CTL_BIN"] ??= path.resolve("dist/compute_ctl")

const LIMIT_MS = 30_000
const PAUSE_MS = 20
const ROUTES = ["/livez", "/readyz", "/status"] as const
/**
 * What `/livez` may take at the 99th percentile beyond what it takes elsewhere, milliseconds; and the memory of a flood, MB:
 * a body that is wanted costs more, several times its length while it is decoded.
 */
const AIM = { millis: 100, megabytes: 100 }

const resident = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]) / 1024

/** Milliseconds from the connect to the whole answer, each on a connection of its own; infinite without one. */
const ask = (port: number, route: string, token: string): Promise<number> =>
  new Promise((resolve) => {
    const begun = performance.now()
    const socket = net.connect(port, "127.0.0.1")
    const limit = setTimeout(() => socket.destroy(), LIMIT_MS)
    let answer = ""
    socket.on("connect", () =>
      socket.write(`GET ${route} HTTP/1.1\r\nConnection: close\r\nAuthorization: Bearer ${token}\r\n\r\n`)
    )
    socket.on("data", (part) => {
      answer += part.toString("latin1")
    })
    socket.on("error", () => {})
    socket.on("close", () => {
      clearTimeout(limit)
      resolve(answer.startsWith("HTTP/1.1 ") ? performance.now() - begun : Number.POSITIVE_INFINITY)
    })
  })

const sleep = (millis: number) => new Promise((resolve) => setTimeout(resolve, millis))

const quantile = (values: ReadonlyArray<number>, share: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

const cell = (values: ReadonlyArray<number>): string =>
  `${[0.5, 0.99, 1].map((share) => quantile(values, share).toFixed(1)).join(" / ")} (${values.length})`

const probe = async (port: number, route: string, token: string, until: number, look: () => void = () => {}) => {
  const taken: Array<number> = []
  while (performance.now() < until) {
    taken.push(await ask(port, route, token))
    look()
    await sleep(PAUSE_MS)
  }
  return taken
}

const measure = async (compute: Compute, calm: Compute, token: string, until: number) => {
  let most = 0
  const look = () => {
    most = Math.max(most, resident(compute.pid))
  }
  const [elsewhere = [], ...taken] = await Promise.all([
    probe(calm.ports.external, ROUTES[0], token, until),
    ...ROUTES.map((route) => probe(compute.ports.external, route, token, until, look))
  ])
  return { taken, elsewhere, most }
}

const scenario = (compute: Compute, calm: Compute, name: string, before: number) =>
  Effect.promise(async () => {
    const token = adminToken()
    const attacker =
      name in attacks
        ? new Worker(new URL("./flood/attacker.ts", import.meta.url), {
            workerData: { name, target: { port: compute.ports.external, token } }
          })
        : null
    const { elsewhere, most, taken } = await measure(compute, calm, token, performance.now() + seconds * 1000)
    const lost =
      attacker === null
        ? 0
        : await new Promise<number>((resolve) => {
            attacker.once("message", resolve)
            attacker.postMessage("stop")
          })
    const later = quantile(taken[0] ?? [], 0.99) - quantile(elsewhere, 0.99)
    const grown = most - before
    const missed = [
      ...(later > AIM.millis ? [`${later.toFixed(0)} ms later`] : []),
      ...(grown > AIM.megabytes ? ["memory"] : [])
    ]
    const verdict = missed.length === 0 ? "holds" : missed.join(", ")
    const cells = [...taken, elsewhere].map(cell).join(" | ")
    console.log(`| ${name} | ${cells} | ${grown.toFixed(0)} MB | ${lost} | ${verdict} |`)
    await sleep(500)
  })

const main = Effect.gen(function* () {
  const emulator = yield* startFakeEmulator()
  const columns = [...ROUTES, `${ROUTES[0]} elsewhere`].map((route) => `${route}: p50 / p99 / max ms`)
  console.log(`| beside | ${columns.join(" | ")} | memory | closed | aim |`)
  console.log(`|---|${columns.map(() => "---|").join("")}---|---|---|`)
  const calm = yield* startCompute({ emulator, spec: { skip_pg_catalog_updates: true } })
  yield* calm.waitFor("running")
  const names = ["nothing", ...Object.keys(attacks)]
  for (const name of names.filter((one) => wanted.length === 0 || wanted.some((word) => one.includes(word)))) {
    yield* Effect.gen(function* () {
      const compute = yield* startCompute({ emulator, spec: { skip_pg_catalog_updates: true } })
      yield* compute.waitFor("running")
      yield* scenario(compute, calm, name, resident(compute.pid))
    }).pipe(Effect.scoped)
  }
})

await Effect.runPromise(Effect.scoped(main))
process.exit(0)

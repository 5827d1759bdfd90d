// The other side of the rehearsal: the peers, the documents, the questions. It runs in the build's own process, so that
// nothing of it is in the snapshot.
import { spawn } from "node:child_process"
import * as fs from "node:fs"
import * as http from "node:http"
import * as net from "node:net"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { start } from "../../src/emulator/Emulator.ts"
import * as Tokens from "../../src/emulator/peers/Tokens.ts"
import * as Server from "./server.mjs"

/** Milliseconds for one step of the program; a net, and no promise of how soon. */
const LIMIT = 60_000

/**
 * V8's, of the process that starts and of the builder alike: code of the runtime's own modules, its HTTP server's above all,
 * comes compiled out of the snapshot only under the flags that the snapshot was made under.
 */
export const heapFlags = [
  "--max-semi-space-size=4",
  // The heap of a start. By its own rule V8 would collect all garbage in the middle of it, of which there is hardly any yet.
  "--initial-old-space-size=32",
  // A flood of requests leaves garbage that outlives the young generation: by its own rule the heap would first double.
  "--heap-growing-percent=50",
  // A regular expression is compiled anew by every process, and few run often enough to repay what makes them faster. Of the
  // one by which the runtime tells IPv6 addresses: 0.3 ms instead of 4.
  "--no-regexp-peephole-optimization",
  "--no-regexp-unroll",
  // The young generation is small: to wake threads for it takes longer than they help.
  "--no-parallel-scavenge",
  "--v8-pool-size=1",
  "--expose-gc"
]

/** A warning would open the standard streams, which then were in the snapshot. */
export const builderFlags = ["--no-warnings", ...heapFlags]

const freePort = () =>
  new Promise((resolve, reject) => {
    const server = net.createServer()
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address()
      server.close(() => resolve(port))
    })
  })

const setting = (name, value, vartype = "string") => ({ name, value, vartype })

const role = (name, encrypted_password) => ({ name, encrypted_password, options: null })

/** Several, so that a step of several is seen; one has a password, as most have. */
const ROLES = [role("rehearsed_owner", "md5c4f6d6ef8a4f0ac79cb1fa7e6a9bd0d1"), role("rehearsed_reader", null)]
const DATABASES = ["rehearsed_one", "rehearsed_two"].map((name) => ({ name, owner: "rehearsed_owner", options: null }))

const specOf = ({ addresses }, port) => ({
  format_version: 1,
  suspend_timeout_seconds: -1,
  tenant_id: addresses.tenant_id,
  timeline_id: addresses.timeline_id,
  safekeeper_connstrings: addresses.safekeepers,
  pageserver_connstring: addresses.pageservers[0],
  cluster: {
    roles: ROLES,
    databases: DATABASES,
    settings: [
      setting("port", String(port), "integer"),
      setting("listen_addresses", "127.0.0.1"),
      setting("unix_socket_directories", ""),
      setting("max_connections", "100", "integer")
    ]
  }
})

/** One compute with folders, keys and ports of its own. */
const makeAct = async (emulator, postgres, { empty, env }) => {
  const keys = Tokens.generate()
  const dir = fs.mkdtempSync(path.join(emulator.addresses.dir, "compute-"))
  fs.chmodSync(dir, 0o711)
  const [external, internal] = [await freePort(), await freePort()]
  const compute_ctl_config = { jwks: { keys: [keys.jwk] }, tls: null }
  const spec = specOf(emulator, postgres)
  const config = path.join(dir, "config.json")
  fs.writeFileSync(config, JSON.stringify({ spec: empty ? null : spec, compute_ctl_config }))
  const argv = [
    ...["--pgdata", path.join(dir, "pgdata"), "--pgbin", emulator.addresses.pgbin, "--config", config],
    ...["--connstr", `postgresql://cloud_admin@127.0.0.1:${postgres}/postgres`, "--compute-id", "rehearsal"],
    ...["--external-http-port", String(external), "--internal-http-port", String(internal)]
  ]
  const token = Tokens.issue(keys.privateKey, { scope: "compute_ctl:admin", aud: ["compute"] })
  const ask = (method, where, body) =>
    new Promise((resolve, reject) => {
      const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" }
      const text = body === undefined ? undefined : JSON.stringify(body)
      const length = text === undefined ? {} : { "content-length": String(Buffer.byteLength(text)) }
      const options = {
        method,
        port: external,
        path: where,
        agent: false,
        timeout: LIMIT,
        headers: { ...headers, ...length }
      }
      const request = http.request(options, (answer) => {
        let all = ""
        answer.on("data", (part) => {
          all += part
        })
        answer.on("end", () =>
          answer.statusCode < 400
            ? resolve(all)
            : reject(new Error(`${method} ${where} was answered with ${answer.statusCode}: ${all}`))
        )
      })
      request.on("timeout", () => request.destroy(new Error(`${method} ${where} was not answered`)))
      request.on("error", reject)
      request.end(text)
    })
  const names = [...ROLES, ...DATABASES].map(({ name }) => name)
  const told = [dir, token, keys.jwk.x, ROLES[0].encrypted_password, ...names]
  return { act: { argv, env }, ask, configuration: { spec, compute_ctl_config }, told }
}

const withRole = ({ spec, ...rest }) => {
  const roles = [...spec.cluster.roles, role("rehearsed_writer", null)]
  return { ...rest, spec: { ...spec, cluster: { ...spec.cluster, roles } } }
}

const QUESTIONS = ["/livez", "/startupz", "/status", "/status/detail", "/metrics", "/metrics.json"]

/**
 * Builds a snapshot, whose program rehearses meanwhile: a compute that waits for its spec, and one that has it.
 * @param {string} node the program that builds; of this machine's environment it sees nothing
 * @param {ReadonlyArray<string>} args
 * @param {string} cwd where it builds: names without a folder do not tell of it
 * @returns what the program was told and the snapshot must not know: folders, tokens, keys
 * @throws when the program leaves anything open, answers wrongly or does not end
 */
export const rehearse = async (node, args, cwd) => {
  const scope = Effect.runSync(Scope.make())
  const emulator = await Effect.runPromise(Scope.provide(start({ account: null, pgbin: null }), scope))
  // Both find nothing and make it all.
  const servers = [await Server.listen(), await Server.listen()]
  let log = ""
  const waiting = new Set()
  let child
  const written = (text, times = 1) =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`the program did not write "${text}"`)), LIMIT)
      timer.unref()
      const look = () => {
        if (log.split(text).length <= times) return
        clearTimeout(timer)
        waiting.delete(look)
        resolve()
      }
      waiting.add(look)
      look()
    })
  try {
    const pooled = await makeAct(emulator, servers[0].port, { empty: true, env: { OTEL_SDK_DISABLED: "true" } })
    const started = await makeAct(emulator, servers[1].port, {
      empty: false,
      env: { OTEL_TRACES_SAMPLER: "always_off" }
    })
    child = spawn(node, args, {
      // The heap keeps it, and with it where this Node was.
      argv0: "node",
      cwd,
      stdio: ["ignore", "ignore", "pipe"],
      env: { REHEARSAL: JSON.stringify([pooled.act, started.act]) }
    })
    child.stderr.on("data", (part) => {
      log += part
      for (const look of waiting) look()
    })
    const ended = new Promise((resolve, reject) => {
      child.on("error", reject)
      child.on("exit", (code, signal) =>
        code === 0 ? resolve() : reject(new Error(`the builder of the snapshot ended with ${code ?? signal}`))
      )
    })
    const play = async () => {
      await written("external HTTP server listening")
      for (const question of ["/livez", "/status", "/metrics"]) await pooled.ask("GET", question)
      await pooled.ask("POST", "/configure", pooled.configuration)
      for (const question of QUESTIONS) await pooled.ask("GET", question)
      // Nothing is new but a role: every database is looked into.
      await pooled.ask("POST", "/configure", withRole(pooled.configuration))
      await pooled.ask("POST", "/configure", withRole(pooled.configuration))
      child.kill("SIGTERM")
      await written("rehearsed: ")
      await written("compute start finished", 2)
      for (const question of QUESTIONS) await started.ask("GET", question)
      await started.ask("POST", "/terminate?mode=immediate")
      await written("rehearsed: ", 2)
    }
    await Promise.race([play(), ended])
    await ended
    return [emulator.addresses.dir, ...pooled.told, ...started.told]
  } catch (error) {
    child?.kill("SIGKILL")
    throw new Error(`no heap snapshot: ${error.message}\nThe program wrote meanwhile:\n${log}`, { cause: error })
  } finally {
    for (const server of servers) server.close()
    await Effect.runPromise(Scope.close(scope, Exit.void))
  }
}

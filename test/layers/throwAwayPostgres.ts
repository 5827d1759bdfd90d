/**
 * A real Postgres of any version for one test: superuser `cloud_admin`, trust, on a free port and in a directory of its own.
 */
import { execFile, spawn } from "node:child_process"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import { freePort } from "../rig/freePort.ts"
import { account, versions as servers, tempDir } from "../rig/postgres.ts"

const run = promisify(execFile)

export const versions = servers.map(({ major, pgbin }) => ({ version: major, bin: dirname(pgbin) }))

export const throwAwayPostgres = (bin: string, settings: Readonly<Record<string, string>> = {}) =>
  Effect.gen(function* () {
    const root = yield* tempDir("pg-", true)
    const port = yield* freePort
    const as = { ...account, cwd: root }
    const data = join(root, "data")
    return yield* Effect.acquireRelease(
      Effect.promise(async () => {
        await run(join(bin, "initdb"), ["-D", data, "-U", "cloud_admin", "-A", "trust", "--no-sync"], as)
        const all = {
          port: String(port),
          unix_socket_directories: root,
          fsync: "off",
          wal_level: "logical",
          ...settings
        }
        const flags = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`])
        const child = spawn(join(bin, "postgres"), ["-D", data, ...flags], {
          ...as,
          stdio: ["ignore", "ignore", "pipe"]
        })
        let logs = ""
        child.stderr.on("data", (chunk) => {
          logs += chunk
        })
        const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
        for (let tries = 0; !logs.includes("database system is ready to accept connections"); tries++) {
          if (tries > 1800 || child.exitCode !== null) throw new Error(`Postgres did not start: ${logs}`)
          await new Promise((resolve) => setTimeout(resolve, 50))
        }
        const pid = child.pid ?? 0
        return { root, data, port, pid, child, ended, connstr: `postgresql://cloud_admin@127.0.0.1:${port}/postgres` }
      }),
      ({ child, ended }) =>
        Effect.promise(async () => {
          child.kill("SIGCONT")
          child.kill("SIGQUIT")
          await ended
        })
    )
  })

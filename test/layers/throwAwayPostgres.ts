/**
 * A real Postgres of any version for one test: superuser `cloud_admin`, trust, on a free port and in a directory of its own.
 */
import { execFile, spawn } from "node:child_process"
import { chownSync, mkdtempSync, readFileSync, rmSync } from "node:fs"
import { createServer } from "node:net"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import * as Effect from "effect/Effect"
import { versions as servers } from "../rig/postgres.ts"

const run = promisify(execFile)

export const versions = servers.map(({ major, pgbin }) => ({ version: major, bin: dirname(pgbin) }))

const account = (): { readonly uid?: number; readonly gid?: number } => {
  if (process.getuid?.() !== 0) return {}
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((entry) => entry.split(":"))
    .find(([name]) => name === "postgres" || name === "nobody")
  return { uid: Number(line?.[2]), gid: Number(line?.[3]) }
}

const freePort = () =>
  new Promise<number>((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const address = server.address()
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0))
    })
  })

const accepts = (logs: () => string) => logs().includes("database system is ready to accept connections")

export const throwAwayPostgres = (bin: string, settings: Readonly<Record<string, string>> = {}) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const as = account()
      const root = mkdtempSync("/tmp/pg-")
      if (as.uid !== undefined) chownSync(root, as.uid, as.gid ?? as.uid)
      const data = join(root, "data")
      await run(join(bin, "initdb"), ["-D", data, "-U", "cloud_admin", "-A", "trust", "--no-sync"], {
        ...as,
        cwd: root
      })
      const port = await freePort()
      const all = { port: String(port), unix_socket_directories: root, fsync: "off", wal_level: "logical", ...settings }
      const flags = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`])
      const child = spawn(join(bin, "postgres"), ["-D", data, ...flags], {
        ...as,
        cwd: root,
        stdio: ["ignore", "ignore", "pipe"]
      })
      let logs = ""
      child.stderr.on("data", (chunk) => {
        logs += chunk
      })
      const ended = new Promise<void>((resolve) => child.once("exit", () => resolve()))
      for (let tries = 0; !accepts(() => logs); tries++) {
        if (tries > 1800 || child.exitCode !== null) throw new Error(`Postgres did not start: ${logs}`)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
      const pid = child.pid ?? 0
      return { root, data, port, pid, child, ended, connstr: `postgresql://cloud_admin@127.0.0.1:${port}/postgres` }
    }),
    ({ root, child, ended }) =>
      Effect.promise(async () => {
        child.kill("SIGCONT")
        child.kill("SIGQUIT")
        await ended
        rmSync(root, { recursive: true, force: true })
      })
  )

/**
 * Who is still there: processes that work in a folder or were started with its path.
 */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as Effect from "effect/Effect"

export interface Process {
  readonly pid: number
  readonly command: string
}

const viaProc = (folder: string): ReadonlyArray<Process> =>
  fs.readdirSync("/proc").flatMap((name): ReadonlyArray<Process> => {
    if (!/^\d+$/.test(name)) return []
    try {
      const command = fs.readFileSync(`/proc/${name}/cmdline`, "utf8").replaceAll("\0", " ").trim()
      // Postgres's children rename themselves, but stay where the postmaster was.
      const cwd = command === "" ? "" : fs.readlinkSync(`/proc/${name}/cwd`)
      const isOurs = command !== "" && (command.includes(folder) || cwd === folder || cwd.startsWith(`${folder}/`))
      return isOurs && Number(name) !== process.pid ? [{ pid: Number(name), command }] : []
    } catch {
      return []
    }
  })

const viaPs = (folder: string): ReadonlyArray<Process> =>
  execFileSync("ps", ["-axo", "pid=,command="], { encoding: "utf8" })
    .split("\n")
    .flatMap((line): ReadonlyArray<Process> => {
      const found = /^\s*(\d+)\s+(.*)$/.exec(line)
      return found?.[2]?.includes(folder) === true ? [{ pid: Number(found[1]), command: found[2] }] : []
    })

export const processesOf = (folder: string): Effect.Effect<ReadonlyArray<Process>> =>
  Effect.sync(() => (fs.existsSync("/proc/self/cwd") ? viaProc(folder) : viaPs(folder)))

/** Each by its id. */
export const killProcesses = (folder: string): Effect.Effect<void> =>
  Effect.map(processesOf(folder), (all) => {
    for (const { pid } of all) {
      try {
        process.kill(pid, "SIGKILL")
      } catch {
        // It went by itself.
      }
    }
  })

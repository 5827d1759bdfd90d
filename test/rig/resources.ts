/**
 * What a process takes of the machine. Linux alone tells; elsewhere nothing is known.
 */
import * as fs from "node:fs"

export const isKnown = fs.existsSync("/proc/self/status")

const read = (file: string): string => {
  try {
    return fs.readFileSync(file, "utf8")
  } catch {
    return ""
  }
}

const mebibytes = (pid: number, field: "VmHWM" | "VmRSS"): number =>
  Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(read(`/proc/${pid}/status`))?.[1] ?? 0) / 1024

/** The most memory it has had so far, MiB; 0 when it has gone. */
export const peakMemory = (pid: number): number => mebibytes(pid, "VmHWM")

/** MiB at the moment. */
export const memory = (pid: number): number => mebibytes(pid, "VmRSS")

/** Open descriptors, by what they lead to; sockets and pipes without their numbers. */
export const descriptors = (pid: number): ReadonlyArray<string> => {
  try {
    return fs
      .readdirSync(`/proc/${pid}/fd`)
      .flatMap((fd) => {
        try {
          return [fs.readlinkSync(`/proc/${pid}/fd/${fd}`).replace(/:\[\d+\]$/, "")]
        } catch {
          return []
        }
      })
      .sort()
  } catch {
    return []
  }
}

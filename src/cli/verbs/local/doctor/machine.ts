/**
 * This machine: accounts and permissions, ports, limits, disk, shared memory, clock.
 */
import * as fs from "node:fs"
import * as net from "node:net"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { bytes } from "../../../terminal/duration.ts"
import { bad, type Finding, ok, warn } from "./Finding.ts"

const GIB = 2 ** 30

/** The folder itself, or the first above it that is there. */
const existing = (folder: string): string => (fs.existsSync(folder) ? folder : existing(path.dirname(folder)))

const isWritable = (folder: string): boolean => {
  try {
    fs.accessSync(folder, fs.constants.W_OK | fs.constants.X_OK)
    return true
  } catch {
    return false
  }
}

export const account = (passwd: string, uid: number | undefined): Finding => {
  const name = "account"
  if (uid !== 0) return ok(name, "an ordinary user, who Postgres runs as too")
  const found = ["postgres", "nobody"].find((one) => passwd.split("\n").some((line) => line.startsWith(`${one}:`)))
  return found === undefined
    ? bad(
        name,
        "root, and there is neither `postgres` nor `nobody`: Postgres refuses root",
        "useradd --system postgres"
      )
    : ok(name, `root; Postgres gets the account ${found}`)
}

export const dataFolder = (pgdata: string): ReadonlyArray<Finding> => {
  const parent = existing(path.resolve(path.dirname(pgdata)))
  if (!isWritable(parent)) {
    return [bad("data directory", `${parent} is not ours to write`, `chown it, or choose another with --pgdata`)]
  }
  const { bavail, blocks, bsize } = fs.statfsSync(parent)
  const [free, all] = [bavail * bsize, blocks * bsize]
  const says = `${bytes(free)} of ${bytes(all)} are free in ${parent}`
  const remedy = "make room: a full disk stops Postgres"
  return [
    ok("data directory", `can be made in ${parent}`),
    free < GIB / 4 ? bad("disk", says, remedy) : free < 2 * GIB ? warn("disk", says, remedy) : ok("disk", says)
  ]
}

/** The code of what went wrong; null where it can be listened there. */
const listening = (number: number, host: string): Effect.Effect<string | null> =>
  Effect.callback((resume) => {
    const listener = net.createServer()
    listener.once("error", ({ code, message }: NodeJS.ErrnoException) => resume(Effect.succeed(code ?? message)))
    listener.listen(number, host, () => {
      listener.close(() => resume(Effect.succeed(null)))
    })
    return Effect.sync(() => listener.close())
  })

/** All addresses of the machine, also of one that has no IPv6. */
const EVERYWHERE = ["::", "0.0.0.0"]
export const LOOPBACK = ["127.0.0.1"]

const NO_SUCH_FAMILY = new Set(["EAFNOSUPPORT", "EADDRNOTAVAIL"])

/** `hosts`: whichever of them the machine has comes first. */
export const port = Effect.fnUntraced(function* (flag: string, number: number, hosts = EVERYWHERE) {
  const name = `port ${number}`
  for (const host of hosts) {
    const why = yield* listening(number, host)
    if (why === null) return ok(name, `free, for ${flag}`)
    if (why === "EADDRINUSE") {
      const remedy = `end that program (ss -ltnp 'sport = :${number}'), or choose another with ${flag}`
      return bad(name, "somebody listens there already", remedy)
    }
    if (why === "EACCES") return bad(name, "we may not listen there", `choose one above 1023 with ${flag}`)
    if (!NO_SUCH_FAMILY.has(why)) return bad(name, why, `choose another with ${flag}`)
  }
  return bad(name, `this machine has no address ${hosts.join(" or ")}`, "bring its network up")
})

/** Soft limits of `/proc/self/limits`: what is named, and how many a compute with some hundred sessions wants. */
const WANTED = [
  ["Max open files", 4096, "ulimit -n 65536"],
  ["Max processes", 1024, "ulimit -u 4096"]
] as const

export const processLimits = (text: string): ReadonlyArray<Finding> =>
  WANTED.flatMap(([what, least, remedy]) => {
    const line = text.split("\n").find((one) => one.startsWith(`${what} `))
    const found = line?.slice(what.length).trim().split(/\s+/)[0]
    if (found === undefined) return []
    const name = what.toLowerCase()
    return [
      found === "unlimited" || Number(found) >= least
        ? ok(name, found)
        : warn(name, `${found}; ${least} or more are wanted`, remedy)
    ]
  })

/** Postgres keeps what its parallel workers share there. */
const SHARED = "/dev/shm"

export const sharedMemory = (): ReadonlyArray<Finding> => {
  if (process.platform !== "linux") return []
  if (!fs.existsSync(SHARED)) return [bad("shared memory", `there is no ${SHARED}`, "mount a tmpfs there")]
  const { blocks, bsize } = fs.statfsSync(SHARED)
  const says = `${SHARED} has ${bytes(blocks * bsize)}`
  return [
    blocks * bsize >= GIB / 4
      ? ok("shared memory", says)
      : warn("shared memory", says, "give the container more: --shm-size=1g")
  ]
}

/** Tokens are refused by a clock that is wrong. `program`: when this program was made, epoch milliseconds. */
export const clock = (now: number, program: number): Finding =>
  now < program
    ? bad("clock", `${new Date(now).toISOString()} is before this program was made`, "set it: timedatectl set-ntp true")
    : ok("clock", new Date(now).toISOString())

export const read = (file: string): string => {
  try {
    return fs.readFileSync(file, "utf8")
  } catch {
    return ""
  }
}

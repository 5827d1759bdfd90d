/**
 * Who still works in the data directory when its postmaster is gone. A busy or stopped backend does not notice that, and
 * neither does a program that a statement started; they would hold files, ports and memory, and a WAL proposer among them
 * the safekeepers.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { PostgresAccount } from "../../machine/Account.ts"
import { run } from "../../machine/child/process.ts"
import { signalUnsafe } from "../../machine/pids.ts"

interface Process {
  readonly pid: number
  readonly name: string
  readonly parent: number
  readonly session: number
  /** The number of its terminal; 0 for none. */
  readonly terminal: number
}

/** How long what was killed may take to go: the memory of a large backend is not freed in a moment. */
const LIMIT = "10 seconds"
/** Names that a log line repeats. */
const MOST_NAMED = 10

const link = (file: string): string | null => {
  try {
    return fs.readlinkSync(file)
  } catch {
    return null
  }
}

const DELETED = / \(deleted\)$/

/** A Postgres process by its program, or by the title that those take which it has forked. */
export const isPostgres = (pid: number): boolean => {
  const executable = link(`/proc/${pid}/exe`)
  if (executable !== null) return ["postgres", "postmaster"].includes(path.basename(executable.replace(DELETED, "")))
  try {
    const [command = ""] = fs.readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0", 1)
    return command.startsWith("postgres:") || ["postgres", "postmaster"].includes(path.basename(command))
  } catch {
    return false
  }
}

/** Null for one that is gone, or has ended and only waits for its parent to notice. */
export const readProcess = (pid: number): Process | null => {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, "utf8")
    const end = stat.lastIndexOf(")")
    const [state = "Z", parent, , session, terminal] = stat.slice(end + 2).split(" ")
    if (state === "Z" || state === "X") return null
    return {
      pid,
      name: stat.slice(stat.indexOf("(") + 1, end),
      parent: Number(parent),
      session: Number(session),
      terminal: Number(terminal)
    }
  } catch {
    return null
  }
}

const pids = (): ReadonlyArray<number> => {
  try {
    return fs
      .readdirSync("/proc")
      .map(Number)
      .filter((pid) => Number.isInteger(pid) && pid > 1 && pid !== process.pid)
  } catch {
    return []
  }
}

const isOf = (pid: number, uid: number): boolean => fs.statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid === uid

const ownSession = (): number | undefined => readProcess(process.pid)?.session

/**
 * Somebody's shell at a terminal may well stand in the directory, and so may whoever started us; neither is Postgres' doing.
 * What backends start has no terminal and a session of its own.
 */
const worksIn = (directory: string, places: Places, own: number | undefined) => (pid: number) => {
  const where = places.get(pid)
  if (where === undefined || !(where === directory || where.startsWith(`${directory}/`))) return []
  const found = readProcess(pid)
  return found !== null && ((found.terminal === 0 && found.session !== own) || isPostgres(pid)) ? [found] : []
}

/** Where processes work. */
type Places = ReadonlyMap<number, string>

/** One line for each: `... /proc/12/cwd -> /where`. */
const LOOK = "ls -ld /proc/[0-9]*/cwd 2>/dev/null"

const seenBy = (account: PostgresAccount): Effect.Effect<Places> =>
  run("/bin/sh", { args: ["-c", LOOK], account, timeout: "5 seconds" }).pipe(
    Effect.map(
      ({ stdout }) =>
        new Map(
          Array.from(stdout.matchAll(/ \/proc\/(\d+)\/cwd -> (.*)$/gm), ([, pid, where = ""]) => [
            Number(pid),
            where.replace(DELETED, "")
          ])
        )
    ),
    Effect.orElseSucceed(() => new Map<number, string>())
  )

const isAlive = (pid: number): boolean => readProcess(pid) !== null

/**
 * Those of the account. Root may not look into others' processes where it lacks the capability for it, as in most
 * containers: then a program under that very account does.
 */
export const placesOf = (
  candidates: ReadonlyArray<number>,
  uid: number,
  account: PostgresAccount | null
): Effect.Effect<Places> =>
  Effect.suspend(() => {
    const places = new Map<number, string>()
    let isBlind = false
    for (const pid of candidates.filter((one) => isOf(one, uid))) {
      const where = link(`/proc/${pid}/cwd`)
      if (where !== null) places.set(pid, where.replace(DELETED, ""))
      else isBlind ||= isAlive(pid)
    }
    if (!isBlind || account === null) return Effect.succeed(places)
    const wanted = new Set(candidates)
    return Effect.map(seenBy(account), (seen) => new Map([...seen].filter(([pid]) => wanted.has(pid))))
  })

/** With whom they share a session, which each backend has of its own, and whom they have started. */
const withCompany = (
  found: ReadonlyArray<Process>,
  all: ReadonlyArray<number>,
  uid: number,
  own: number | undefined
): ReadonlyArray<Process> => {
  const others = all.flatMap((pid) => (isOf(pid, uid) ? [readProcess(pid) ?? []].flat() : []))
  const sessions = new Set(found.map(({ session }) => session).filter((session) => session > 1 && session !== own))
  const taken = new Map(found.map((process) => [process.pid, process]))
  for (let before = -1; taken.size !== before; ) {
    before = taken.size
    for (const other of others) {
      if (sessions.has(other.session) || taken.has(other.parent)) taken.set(other.pid, other)
    }
  }
  return [...taken.values()]
}

/** `directory`: its real path. */
const leftIn = Effect.fnUntraced(function* (directory: string, uid: number, account: PostgresAccount | null) {
  const all = pids()
  const places = yield* placesOf(all, uid, account)
  const own = ownSession()
  const found = all.flatMap(worksIn(directory, places, own))
  return found.length === 0 ? [] : withCompany(found, all, uid, own)
})

const name = (processes: ReadonlyArray<Process>): string =>
  [
    ...processes.slice(0, MOST_NAMED).map((process) => `${process.pid} (${process.name})`),
    ...(processes.length > MOST_NAMED ? [`${processes.length - MOST_NAMED} more`] : [])
  ].join(", ")

/** Kills them, and whom they start meanwhile. Succeeds with whether nobody is left; none on a system without `/proc`. */
export const endLeftovers = (directory: string, account: PostgresAccount | null): Effect.Effect<boolean> =>
  Effect.gen(function* () {
    const uid = account?.uid ?? process.getuid?.()
    if (uid === undefined) return true
    const first = yield* leftIn(directory, uid, account)
    if (first.length === 0) return true
    yield* Effect.logWarning(`ending what still works in ${directory} without its Postgres: ${name(first)}`)
    const step = Effect.map(leftIn(directory, uid, account), (left) => {
      for (const { pid } of left) signalUnsafe(pid, "SIGKILL")
      return left.length === 0
    })
    return yield* step.pipe(
      Effect.repeat({ until: (done) => done, schedule: Schedule.spaced("20 millis") }),
      Effect.timeoutOrElse({ duration: LIMIT, orElse: () => Effect.succeed(false) })
    )
  })

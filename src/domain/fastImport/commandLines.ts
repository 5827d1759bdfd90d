/**
 * How the programs of Postgres are called.
 *
 * Source: `compute_tools/src/bin/fast_import.rs`, `libs/postgres_initdb/src/lib.rs`.
 */
import type { MajorTraits } from "../postgres/Majors.ts"

export const SUPERUSER = "cloud_admin"
export const DATABASE = "neondb"

/** What the children see of the environment: their libraries, and the switches of sanitizers. */
export const childVariables = (
  libraries: string,
  env: Readonly<Record<string, string | undefined>>
): Readonly<Record<string, string>> => ({
  LD_LIBRARY_PATH: libraries,
  DYLD_LIBRARY_PATH: libraries,
  ASAN_OPTIONS: env["ASAN_OPTIONS"] ?? "",
  UBSAN_OPTIONS: env["UBSAN_OPTIONS"] ?? ""
})

export const initdb = (pgdata: string, major: MajorTraits, platform: string): ReadonlyArray<string> => [
  ...["--pgdata", pgdata, "--username", SUPERUSER, "--encoding", "utf8"],
  ...["--locale", platform === "darwin" ? "C" : "C.UTF-8", "--no-instructions", "--no-sync"],
  ...(major.localeProvider === null ? [] : ["--locale-provider", major.localeProvider])
]

export interface ServerSize {
  readonly port: number
  readonly cpus: number
  readonly memoryMb: number
}

/** In single precision, as the numbers have always been. */
const share = (memoryMb: number, part: number): number =>
  Math.floor(Math.fround(Math.fround(memoryMb) * Math.fround(part)))

/** A server that is thrown away with its directory when anything goes wrong: nothing is made safe before the shutdown. */
export const postgres = (pgdata: string, { cpus, memoryMb, port }: ServerSize): ReadonlyArray<string> => [
  ...["-D", pgdata, "-p", String(port)],
  ...[
    "wal_level=minimal",
    `shared_buffers=${share(memoryMb, 0.1)}MB`,
    "max_wal_senders=0",
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    `maintenance_work_mem=${share(memoryMb, 0.7)}MB`,
    `max_parallel_maintenance_workers=${cpus}`,
    `max_parallel_workers=${cpus}`,
    `max_parallel_workers_per_gather=${cpus}`,
    `max_worker_processes=${cpus}`,
    "effective_io_concurrency=100"
  ].flatMap((setting) => ["-c", setting])
]

export const NO_EVENT_TRIGGERS = "--no-event-triggers"

export interface Transfer {
  /** A connection string without its password. */
  readonly connstr: string
  readonly dumpdir: string
  readonly jobs: number
  /** This program can leave event triggers out by itself: only Neon's can. */
  readonly leavesEventTriggers: boolean
}

const leftOut = (leavesEventTriggers: boolean): ReadonlyArray<string> => [
  ...["--no-owner", "--no-privileges", "--no-publications", "--no-security-labels", "--no-subscriptions"],
  ...["--no-tablespaces", ...(leavesEventTriggers ? [NO_EVENT_TRIGGERS] : [])]
]

const common = ({ jobs, leavesEventTriggers }: Transfer): ReadonlyArray<string> => [
  ...leftOut(leavesEventTriggers),
  ...["--format", "directory", "--jobs", String(jobs), "--verbose"]
]

/** An archive that is read from its beginning to its end, by one connection on each side. */
const ARCHIVE = ["--format", "custom", "--verbose"]

/** To standard output. Nobody keeps it, so nothing is compressed. */
export const dumpArchive = (connstr: string, leavesEventTriggers: boolean): ReadonlyArray<string> => [
  ...leftOut(leavesEventTriggers),
  ...ARCHIVE,
  ...["--compress", "0", connstr]
]

/** From standard input. `list`: a file that names what is to be restored; null for all. */
export const restoreArchive = (
  connstr: string,
  leavesEventTriggers: boolean,
  list: string | null
): ReadonlyArray<string> => [
  ...leftOut(leavesEventTriggers),
  ...ARCHIVE,
  ...(list === null ? [] : ["-L", list]),
  ...["-d", connstr]
]

export const dump = (transfer: Transfer): ReadonlyArray<string> => [
  ...common(transfer),
  ...["-f", transfer.dumpdir, "--no-sync", transfer.connstr]
]

/** `list`: a file that names what is to be restored; null for all. */
export const restore = (transfer: Transfer, list: string | null): ReadonlyArray<string> => [
  ...common(transfer),
  ...(list === null ? [] : ["-L", list]),
  ...["-d", transfer.connstr, transfer.dumpdir]
]

/**
 * A vanilla cluster as a timeline's content: made once by `initdb` and kept in a cache, or taken from a stopped data
 * directory.
 */
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { run } from "../../layers/machine/child/process.ts"
import * as tar from "../wire/tar.ts"
import { Archive, compress } from "./Archive.ts"
import { type Account, attempt, DistributionFailed, moveIntoPlace } from "./Distribution.ts"
import { freshFolder } from "./folders.ts"

/** Local sessions are trusted, as in the sample that pageservers send. */
export const hba = [
  ...["local all all", "host all all 127.0.0.1/32", "host all all ::1/128"],
  ...["local replication all", "host replication all 127.0.0.1/32", "host replication all ::1/128"]
]
  .map((line) => `${line} trust\n`)
  .join("")

/** Says that nothing was written at this position yet. */
const previous = Buffer.from("PREV LSN: none")

/** What a running server or a compute leaves behind, and what the archive brings itself. */
const left = new Set([
  ...["postgresql.conf", "postmaster.pid", "postmaster.opts", "compute_ctl_temp_override.conf"],
  ...["standby.signal", "neon.signal", "zenith.signal", "pg_dynshmem", "global/pg_control", "pg_internal.init"]
])

const read = (root: string, below: string): ReadonlyArray<tar.Entry> =>
  fs.readdirSync(path.join(root, below), { withFileTypes: true }).flatMap((found): ReadonlyArray<tar.Entry> => {
    const name = path.posix.join(below, found.name)
    if (left.has(name) || left.has(found.name)) return []
    if (found.isDirectory()) return [{ kind: "directory", name }, ...read(root, name)]
    return found.isFile() ? [{ kind: "file", name, body: fs.readFileSync(path.join(root, name)) }] : []
  })

/** A data directory whose server has stopped, in the order of a pageserver: control file and WAL last. */
export const archiveOf = (pgdata: string): Effect.Effect<Archive, DistributionFailed> =>
  attempt(`cannot read the cluster in ${pgdata}`, () => {
    const all = read(pgdata, "")
    const isWal = (entry: tar.Entry) => entry.kind === "file" && entry.name.startsWith("pg_wal/")
    const signal = (name: string): tar.Entry => ({ kind: "file", name, body: previous })
    return tar.archive(
      [
        ...all.filter((entry) => !isWal(entry)),
        { kind: "directory", name: "pg_dynshmem" },
        signal("neon.signal"),
        signal("zenith.signal"),
        { kind: "file", name: "global/pg_control", body: fs.readFileSync(path.join(pgdata, "global/pg_control")) },
        ...all.filter(isWal)
      ],
      Math.floor(fs.statSync(pgdata).mtimeMs / 1000)
    )
  }).pipe(Effect.flatMap(compress))

const initdb = (bin: string, pgdata: string, locale: string, account: Account | null) =>
  run(path.join(bin, "initdb"), {
    args: [
      ...["-D", pgdata, "--username=cloud_admin", "--auth=trust", "--encoding=UTF8", `--locale=${locale}`],
      ...["--no-sync", "--no-instructions"]
    ],
    env: { LC_ALL: "C", TZ: "UTC" },
    cwd: path.dirname(pgdata),
    account,
    timeout: "2 minutes"
  }).pipe(
    Effect.mapError((fault) => new DistributionFailed({ message: fault.message })),
    Effect.flatMap(({ ended, stderr }) =>
      ended._tag === "Exited" && ended.code === 0
        ? Effect.void
        : Effect.fail(new DistributionFailed({ message: `initdb failed: ${stderr}` }))
    )
  )

const make = (bin: string, work: string, account: Account | null) =>
  Effect.acquireUseRelease(
    attempt("cannot make a folder for initdb", () => freshFolder(work, "initdb-", account)),
    (dir) => {
      const pgdata = path.join(dir, "pgdata")
      return initdb(bin, pgdata, "C.UTF-8", account).pipe(
        // Not every C library has that locale.
        Effect.catch(() => initdb(bin, pgdata, "C", account)),
        Effect.andThen(
          attempt("cannot write pg_hba.conf", () => fs.writeFileSync(path.join(pgdata, "pg_hba.conf"), hba))
        ),
        Effect.andThen(archiveOf(pgdata))
      )
    },
    (dir) => Effect.sync(() => fs.rmSync(dir, { recursive: true, force: true }))
  )

/** Changes when the content that `make` produces does. */
const recipe = "1"

/**
 * The content of a new timeline. `bin` holds `initdb`; `work` is a folder that `account` can pass; the result is kept
 * in `cache` under a name that tells this Postgres from others.
 */
export const freshCluster = (options: {
  readonly bin: string
  readonly version: string
  readonly work: string
  readonly cache: string
  readonly account: Account | null
}): Effect.Effect<Archive, DistributionFailed> =>
  Effect.gen(function* () {
    const { bin, version, work, cache, account } = options
    const kept = yield* attempt("cannot look at Postgres", () => {
      const { size } = fs.statSync(path.join(bin, "postgres"))
      const key = createHash("sha256").update(`${recipe} ${version} ${size} ${hba}`).digest("hex").slice(0, 16)
      return path.join(cache, `cluster-${key}.tar.gz`)
    })
    const known = yield* attempt(`cannot read ${kept}`, () => (fs.existsSync(kept) ? fs.readFileSync(kept) : undefined))
    if (known !== undefined) return new Archive(known)
    const made = yield* make(bin, work, account)
    yield* attempt(`cannot write ${kept}`, () => {
      const draft = path.join(fs.mkdtempSync(`${kept}-`), "draft")
      fs.writeFileSync(draft, made.compressed)
      moveIntoPlace(draft, kept)
      fs.rmSync(path.dirname(draft), { recursive: true, force: true })
    })
    return made
  })

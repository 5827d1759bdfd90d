/**
 * `fast_import`, the program under its other name, with Postgres' own programs or with some that only pretend.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { program, type Running, runProgram } from "./compute.ts"
import type { ObjectStore } from "./objectStore.ts"
import { account, tempDir } from "./postgres.ts"

/** A distribution with `pg_dump` and `pg_restore`, of which npm's packages have none. */
const BIN = "/usr/lib/postgresql/15/bin"
export const hasTools: boolean = ["postgres", "pg_dump", "pg_restore"].every((name) =>
  fs.existsSync(path.join(BIN, name))
)

/** The built program by a link; sources by the verb. */
const fastImport = (folder: string): ReadonlyArray<string> => {
  const [command = "", ...leading] = program()
  if (leading.length > 0) return [command, ...leading, "fast-import"]
  const link = path.join(folder, "fast_import")
  fs.symlinkSync(command, link)
  return [link]
}

export interface ImportOptions {
  readonly store?: ObjectStore | undefined
  /** Before the command. Default: working directory, programs and libraries, and the prefix `s3://bkt/job` with a store. */
  readonly options?: ReadonlyArray<string>
  /** The command and its options. */
  readonly command: ReadonlyArray<string>
  readonly bin?: string
  readonly env?: Readonly<Record<string, string>>
  /** Of an earlier run. */
  readonly workdir?: string
}

export interface RunningImport extends Running {
  readonly workdir: string
  /** Messages of the log so far. */
  readonly messages: () => ReadonlyArray<string>
  /** What the lines of a message say besides. */
  readonly fields: (message: string) => ReadonlyArray<Readonly<Record<string, unknown>>>
}

/** Whoever runs Postgres has to get there. */
export const workingDirectory: Effect.Effect<string, never, Scope.Scope> = Effect.map(tempDir("import-"), (dir) => {
  const workdir = path.join(dir, "work")
  fs.mkdirSync(workdir)
  return workdir
})

const linesOf = (stdout: string): ReadonlyArray<Readonly<Record<string, unknown>>> =>
  stdout.split("\n").flatMap((line) => {
    try {
      return [JSON.parse(line).fields]
    } catch {
      return []
    }
  })

export const runImport = (given: ImportOptions): Effect.Effect<RunningImport, never, Scope.Scope> =>
  Effect.gen(function* () {
    const folder = yield* tempDir("fast-import-")
    const workdir = given.workdir ?? (yield* workingDirectory)
    const bin = given.bin ?? BIN
    const own = [
      `--pg-bin-dir=${bin}`,
      `--pg-lib-dir=${path.join(path.dirname(bin), "lib")}`,
      `--working-directory=${workdir}`
    ]
    const stored = given.store === undefined ? [] : ["--s3-prefix=s3://bkt/job"]
    const running = yield* runProgram([...own, ...stored, ...(given.options ?? []), ...given.command], {
      program: fastImport(folder),
      env: { ...given.store?.env, ...given.env }
    })
    return {
      ...running,
      workdir,
      messages: () => linesOf(running.stdout()).map(({ message }) => String(message)),
      fields: (wanted) =>
        linesOf(running.stdout()).flatMap(({ message, ...fields }) => (message === wanted ? [fields] : []))
    }
  })

/** Programs that are scripts of a shell, in a folder; those that nobody gave end well. */
export const pretended = (scripts: Readonly<Record<string, string>>): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(tempDir("bin-"), (folder) => {
    const all = {
      pg_config: "echo 'PostgreSQL 15.8'",
      initdb: "",
      pg_dump: "",
      pg_restore: "",
      postgres: "",
      ...scripts
    }
    for (const [name, script] of Object.entries(all)) {
      fs.writeFileSync(path.join(folder, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
    }
    fs.chmodSync(folder, 0o755)
    return folder
  })

/** What the objects of a job's data directory are, as a data directory that a server can start in. */
export const pgdataOf = (store: ObjectStore): Effect.Effect<string, never, Scope.Scope> =>
  Effect.map(tempDir("downloaded-", true), (folder) => {
    const prefix = "bkt/job/pgdata/"
    const all = [...store.objects].filter(([key]) => key.startsWith(prefix))
    for (const [key, bytes] of all) {
      const file = path.join(folder, key.slice(prefix.length))
      fs.mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 })
      fs.writeFileSync(file, bytes, { mode: 0o600 })
    }
    // Directories without a file are no objects.
    for (const name of [
      "pg_notify",
      "pg_replslot",
      "pg_tblspc",
      "pg_twophase",
      "pg_stat",
      "pg_stat_tmp",
      "pg_dynshmem"
    ]) {
      fs.mkdirSync(path.join(folder, name), { recursive: true, mode: 0o700 })
    }
    for (const name of ["pg_commit_ts", "pg_serial", "pg_snapshots", "pg_logical/snapshots", "pg_logical/mappings"]) {
      fs.mkdirSync(path.join(folder, name), { recursive: true, mode: 0o700 })
    }
    fs.mkdirSync(path.join(folder, "pg_wal/archive_status"), { recursive: true, mode: 0o700 })
    if (account === null) return folder
    for (const name of fs.readdirSync(folder, { recursive: true, encoding: "utf8" })) {
      fs.chownSync(path.join(folder, name), account.uid, account.gid)
    }
    return folder
  })

/** Objects that say how the job ended, in the order in which they were written. */
export const statuses = ({ asked, objects }: ObjectStore): ReadonlyArray<readonly [string, string]> =>
  asked
    .filter(({ method, path: place, status }) => method === "PUT" && status === 200 && place.includes("/job/status/"))
    .map(({ path: place }) => [place.replace("/bkt/job/status/", ""), String(objects.get(place.slice(1)))])

export const putSpec = (store: ObjectStore, source: string | Buffer, destination?: string | null): void => {
  const spec = {
    project_id: "ignored",
    encryption_secret: { KMS: { key_id: store.keyId } },
    source_connstring_ciphertext_base64: store.encrypt(source),
    ...(destination !== undefined && {
      destination_connstring_ciphertext_base64: destination === null ? null : store.encrypt(destination)
    })
  }
  store.objects.set("bkt/job/spec.json", Buffer.from(JSON.stringify(spec)))
}

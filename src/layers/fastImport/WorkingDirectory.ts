/**
 * Where a job keeps what it makes: `pgdata`, `dumpdir` while it dumps, `status`.
 *
 * Source: `compute_tools/src/bin/fast_import.rs`, `libs/utils/src/fs_ext.rs`.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { failing, JobFailed } from "../../domain/fastImport/JobFailed.ts"
import { messageOf } from "../../domain/observe/ErrorChain.ts"
import type { PostgresAccount } from "../machine/Account.ts"

export const attempt = <A>(what: string, make: () => A): Effect.Effect<A, JobFailed> =>
  Effect.try({ try: make, catch: failing(what) })

/** A directory of Postgres' account; as another account than root it is ours. */
export const makeDirectory = (directory: string, account: PostgresAccount | null, mode = 0o700): void => {
  fs.mkdirSync(directory, mode)
  if (account !== null) fs.chownSync(directory, account.uid, account.gid)
}

/** Makes it, one level, or finds it empty. */
export const prepare = (workdir: string): Effect.Effect<void, JobFailed> =>
  Effect.gen(function* () {
    const found = fs.statSync(workdir, { throwIfNoEntry: false })
    if (found === undefined) return yield* attempt("create working directory", () => fs.mkdirSync(workdir))
    const names = yield* attempt("check if working directory is empty", () => fs.readdirSync(workdir))
    if (names.length > 0) yield* new JobFailed({ message: "working directory is not empty" })
  })

/**
 * A copy on disk of what is said in storage. The disk may be full, or be why the job failed: then it is left out. A working
 * directory that never was is not made for it.
 */
export const keepStatus = (workdir: string, name: string, text: string): Effect.Effect<void> =>
  Effect.gen(function* () {
    if (!fs.existsSync(workdir)) return
    const folder = path.join(workdir, "status")
    yield* attempt("create status directory", () => fs.mkdirSync(folder, { recursive: true }))
    yield* attempt("write status file", () => fs.writeFileSync(path.join(folder, name), text))
  }).pipe(Effect.catch(({ cause, message }) => Effect.logWarning(`${message}: ${messageOf(cause)}`)))

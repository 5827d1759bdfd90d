/**
 * Folders for what the emulator makes and keeps. The one for temporary files is everybody's: whoever knows the name that
 * we will take can put a link there first, and root would then write, and give away, where the link leads.
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { codeOf } from "../../domain/observe/ErrorChain.ts"
import type { Account } from "./Distribution.ts"
import { attempt, type DistributionFailed } from "./Distribution.ts"

/** Others may pass: Postgres' account has to. */
const PASSABLE = 0o711
const OTHERS_WRITE = 0o022

const uid = () => process.getuid?.() ?? 0

/** A new folder of its own, which the account can enter and write to. */
export const freshFolder = (parent: string, prefix: string, account: Account | null): string => {
  const dir = fs.mkdtempSync(path.join(parent, prefix))
  fs.chmodSync(dir, PASSABLE)
  if (account !== null) fs.chownSync(dir, account.uid, account.gid)
  return dir
}

/** As `freshFolder`, and removed with the scope. */
export const scratchFolder = (account: Account | null): Effect.Effect<string, DistributionFailed, Scope.Scope> =>
  Effect.acquireRelease(
    attempt("cannot make a temporary folder", () => freshFolder(os.tmpdir(), "emulator-", account)),
    (dir) => Effect.sync(() => fs.rmSync(dir, { recursive: true, force: true }))
  )

const isThere = (error: unknown): boolean => codeOf(error) === "EEXIST"

/** A folder in a place where others may make some too: made, or there already and nobody's but ours. */
const ownFolder = (dir: string): string => {
  try {
    fs.mkdirSync(dir, { mode: PASSABLE })
  } catch (error) {
    if (!isThere(error)) throw error
    const status = fs.lstatSync(dir)
    if (!status.isDirectory()) throw new Error(`${dir} is no folder`)
    if (status.uid !== uid()) throw new Error(`${dir} belongs to somebody else`)
    if ((status.mode & OTHERS_WRITE) !== 0) throw new Error(`others can write to ${dir}`)
  }
  fs.chmodSync(dir, PASSABLE)
  return dir
}

/** A folder that outlives runs; where it cannot be ours, one for this run. */
export const cacheFolder = (): Effect.Effect<string, DistributionFailed, Scope.Scope> =>
  attempt("no cache is kept", () => ownFolder(path.join(os.tmpdir(), `compute-emulator-${uid()}`))).pipe(
    Effect.catch(({ message }) => Effect.andThen(Effect.logWarning(message), scratchFolder(null)))
  )

/** A folder that the user has named, made where it is missing. A link is followed when it is the user's own or root's. */
export const namedFolder = (name: string): Effect.Effect<string, DistributionFailed> =>
  attempt("cannot make a folder", () => {
    const dir = path.resolve(name)
    const status = fs.lstatSync(dir, { throwIfNoEntry: false })
    if (status?.isSymbolicLink() && status.uid !== uid() && status.uid !== 0) {
      throw new Error(`${dir} is a link of somebody else's`)
    }
    fs.mkdirSync(dir, { recursive: true, mode: PASSABLE })
    return dir
  })

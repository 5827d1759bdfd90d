/**
 * What `dev` keeps from one run to the next: a folder with one archive for each branch.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { codeOf, messageOf } from "../../../../domain/observe/ErrorChain.ts"
import { shutdownPosition } from "../../../../domain/postgres/ClusterControl.ts"
import { majorOf } from "../../../../domain/postgres/Majors.ts"
import { TimelineId } from "../../../../domain/spec/Ids.ts"
import type * as Lsn from "../../../../domain/spec/Lsn.ts"
import type { Content, Emulator } from "../../../../emulator/Emulator.ts"
import * as Branches from "../../../../emulator/postgres/Branches.ts"
import { DistributionFailed, output } from "../../../../emulator/postgres/Distribution.ts"

const MAIN = "main"

export interface KeepOptions {
  readonly folder: string
  /** Null: the main one. */
  readonly branch: string | null
  /** Whatever was kept is not looked at, and replaced at the end. */
  readonly fresh: boolean
  readonly pgbin: string
}

export interface Keep {
  /** For people: what is kept, and where. */
  readonly place: string
  readonly timeline: string
  /** Null: a new cluster. */
  readonly begin: { readonly lsn: Lsn.Lsn; readonly content: Content } | null
  /** Takes the stopped data directory. Succeeds with what is to be said about it, if anything is. */
  readonly save: (emulator: Emulator, pgdata: string) => Effect.Effect<string | null, DistributionFailed>
}

const failed = (message: string) => new DistributionFailed({ message })

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === "EPERM"
  }
}

const readOwner = (file: string): number => (fs.existsSync(file) ? Number(fs.readFileSync(file, "utf8")) : 0)

/** One run at a time: each would replace at its end what the other has kept. */
const claim = (folder: string, name: string) =>
  Effect.acquireRelease(
    Effect.suspend(() => {
      const file = path.join(folder, `${name}.pid`)
      const owner = readOwner(file)
      if (owner > 0 && owner !== process.pid && isAlive(owner)) {
        return Effect.fail(
          failed(`branch ${name} in ${folder} is in use by process ${owner}; --branch NAME runs a copy beside it`)
        )
      }
      fs.writeFileSync(file, String(process.pid))
      return Effect.succeed(file)
    }),
    (file) => Effect.sync(() => fs.rmSync(file, { force: true }))
  )

const askMajor = (pgbin: string) => Effect.map(output(pgbin, ["--version"]), (text) => majorOf(text) ?? 0)

const positionIn = (pgdata: string): Lsn.Lsn | null => {
  const control = path.join(pgdata, "global/pg_control")
  return fs.existsSync(control) ? shutdownPosition(fs.readFileSync(control)) : null
}

const found = Effect.fnUntraced(function* (folder: string, name: string) {
  const own = yield* Branches.load(folder, name)
  if (own !== undefined || name === MAIN) return own
  const main = yield* Branches.load(folder, MAIN)
  return main === undefined ? undefined : yield* Branches.fork(folder, main, name)
})

/** Null, with a word in the log, where nothing can be kept. */
const usable = (folder: string) =>
  Effect.try({
    try: () => {
      fs.mkdirSync(folder, { recursive: true, mode: 0o700 })
      fs.accessSync(folder, fs.constants.W_OK)
      return folder
    },
    catch: (error) => failed(messageOf(error))
  }).pipe(Effect.catch(({ message }) => Effect.as(Effect.logWarning(`nothing will be kept: ${message}`), null)))

/** The branch stays claimed until the scope closes. */
export const openKeep = ({
  branch,
  folder,
  fresh,
  pgbin
}: KeepOptions): Effect.Effect<Keep | null, DistributionFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const name = branch ?? MAIN
    if ((yield* usable(folder)) === null) return null
    yield* claim(folder, name)
    const major = yield* askMajor(pgbin)
    const kept = fresh ? undefined : yield* found(folder, name)
    if (kept !== undefined && kept.pg_major !== major) {
      return yield* failed(
        `branch ${name} in ${folder} is of Postgres ${kept.pg_major}, and ${pgbin} is ${major}: name another with --pgbin, or begin anew with --fresh`
      )
    }
    const timeline = yield* Effect.orDie(Schema.decodeEffect(TimelineId)(Branches.timelineOf(name)))
    return {
      place: `${folder} (branch ${name})`,
      timeline,
      begin:
        kept === undefined
          ? null
          : { lsn: kept.lsn, content: { _tag: "Files", primary: Branches.archiveFile(folder, name) } },
      save: ({ addresses, keep }, pgdata) =>
        Effect.gen(function* () {
          const lsn = positionIn(pgdata)
          if (lsn === null) return "Postgres has not shut down in order: nothing of this run is kept"
          const archive = yield* keep({ tenant: addresses.tenant_id, timeline, pgdata, lsn })
          yield* Branches.save(folder, { name, timeline_id: timeline, lsn, pg_major: major }, archive)
          return null
        })
    }
  })

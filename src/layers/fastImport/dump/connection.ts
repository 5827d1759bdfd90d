/**
 * How a program of Postgres learns where to connect: what everybody may see by its command line, secrets by its environment
 * and a file that goes with the scope.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { separate } from "../../../domain/fastImport/connectionString.ts"
import { failing, type JobFailed } from "../../../domain/fastImport/JobFailed.ts"
import { Account } from "../../machine/Account.ts"
import { attempt, makeDirectory } from "../WorkingDirectory.ts"

export type Phase = "dump" | "restore"

export interface Connection {
  /** Without secrets. */
  readonly connstr: string
  readonly env: Readonly<Record<string, string>>
}

const SERVICE = "fast_import"

/** Only its account reads it. */
const serviceFile = (folder: string, lines: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { postgres: account } = yield* Account
    const file = path.join(folder, "service.conf")
    yield* Effect.acquireRelease(
      attempt("create connection service file", () => makeDirectory(folder, account)),
      () => Effect.sync(() => fs.rmSync(folder, { recursive: true, force: true }))
    )
    yield* attempt("create connection service file", () => {
      fs.writeFileSync(file, `[${SERVICE}]\n${lines.join("\n")}\n`, { mode: 0o600 })
      if (account !== null) fs.chownSync(file, account.uid, account.gid)
    })
    return { PGSERVICE: SERVICE, PGSERVICEFILE: file }
  })

/** A string that cannot be read fails as the program that gets it would, without being repeated. */
export const connectionFor = (
  phase: Phase,
  given: string,
  workdir: string
): Effect.Effect<Connection, JobFailed, Account | Scope.Scope> =>
  Effect.gen(function* () {
    const whose = phase === "dump" ? "source" : "destination"
    const { connstr, others, password } = yield* Effect.mapError(Effect.fromResult(separate(given)), (why) =>
      failing(`pg_${phase} failed`)(new Error(`the ${whose} connection string cannot be read: ${why}`))
    )
    const lines = others.map((entry) => entry.join("="))
    const service = lines.length === 0 ? {} : yield* serviceFile(path.join(workdir, whose), lines)
    return { connstr, env: { ...service, ...(password !== null && { PGPASSWORD: password }) } }
  })

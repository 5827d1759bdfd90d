/**
 * What a dump holds, and the list of what is to be restored of it.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { failing, type JobFailed } from "../../../domain/fastImport/JobFailed.ts"
import { read } from "../../../domain/fastImport/tableOfContents.ts"
import { describeEnd } from "../../machine/child/Children.ts"
import { isWell } from "../Installation.ts"
import { Programs } from "../Programs.ts"
import { attempt } from "../WorkingDirectory.ts"

/** It grows with the number of objects; nothing is done but to read it. */
const LIMIT = "10 minutes"

export interface Contents {
  /** Tables that have data. */
  readonly tables: number
  /** The file of a list without event triggers; null when there are none. */
  readonly list: string | null
}

/** By way of a file in `folder`: of an output only the beginning is kept. */
export const contentsOf = (dump: string, folder: string): Effect.Effect<Contents, JobFailed, Programs> =>
  Effect.gen(function* () {
    const programs = yield* Programs
    const file = path.join(folder, "all.list")
    const { ended, stderr } = yield* programs
      .ask("pg_restore", ["--list", "-f", file, dump], LIMIT)
      .pipe(Effect.mapError(failing("spawn pg_restore")))
    if (!isWell(ended)) {
      yield* failing("pg_restore failed")(new Error(`pg_restore --list ended with ${describeEnd(ended)}: ${stderr}`))
    }
    const { hasEventTriggers, tables, withoutEventTriggers } = yield* attempt("pg_restore failed", () =>
      read(fs.readFileSync(file, "utf8"))
    )
    const list = hasEventTriggers ? path.join(folder, "restore.list") : null
    if (list !== null) yield* attempt("spawn pg_restore", () => fs.writeFileSync(list, withoutEventTriggers))
    return { tables, list }
  })

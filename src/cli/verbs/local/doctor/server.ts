/**
 * The Postgres that is to run: the program, its version, what it needs of this machine, and what it would refuse.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type { Checked } from "../../../../domain/conf/Check.ts"
import type { ConfContext } from "../../../../domain/conf/PostgresConf.ts"
import { majorOf, SERVED, traitsOf } from "../../../../domain/postgres/Majors.ts"
import { Children } from "../../../../layers/machine/child/Children.ts"
import { refusedBy } from "../../../../programs/start/refusedBy.ts"
import { findProgram, isProgram } from "../../../program.ts"
import { bad, type Finding, ok, warn } from "./Finding.ts"

const NAME = "postgres"
const CHOOSE =
  "name one with --pgbin PATH, as one of /usr/lib/postgresql/*/bin/postgres; its name has to end in `postgres`"

/** `libxml2.so.2`, from the loader's complaint. */
const missingLibrary = (stderr: string): string | null =>
  /loading shared libraries: (\S+?):/.exec(stderr)?.[1] ?? /Library not loaded: (\S+)/.exec(stderr)?.[1] ?? null

const program = (pgbin: string): Effect.Effect<Finding, never, Children> =>
  Effect.gen(function* () {
    const children = yield* Children
    const { stderr, stdout } = yield* children.run(pgbin, { args: ["--version"], timeout: "20 seconds" })
    const library = missingLibrary(stderr)
    if (library !== null)
      return bad("libraries", `${pgbin} needs ${library}`, "install the package that has it (ldd shows all)")
    const major = majorOf(stdout)
    if (major === null) return bad(NAME, `${pgbin} does not say which Postgres it is`, CHOOSE)
    return traitsOf(major) === null
      ? bad(NAME, `${pgbin} is Postgres ${major}; a compute serves ${SERVED}`, CHOOSE)
      : ok(NAME, `${pgbin}: ${stdout.trim()}`)
  }).pipe(Effect.catch(({ message }) => Effect.succeed(bad(NAME, message, CHOOSE))))

const tools = (pgbin: string): Finding => {
  const missing = ["pg_dump", "pg_config"].filter((name) => !isProgram(path.join(path.dirname(pgbin), name)))
  return missing.length === 0
    ? ok("tools", "pg_dump and pg_config are beside it")
    : warn("tools", `${missing.join(" and ")} are not beside it`, "needed for schema dumps and remote extensions only")
}

const refusals = (checked: Checked, pgbin: string, context: ConfContext) =>
  refusedBy(checked, pgbin, context).pipe(
    Effect.map((faults) =>
      faults.length === 0
        ? [ok("settings", "it refuses none of the spec's")]
        : faults.map(({ message, path }) => bad("settings", `${path}: ${message}`, "correct it in the spec"))
    ),
    Effect.catch(({ message }) =>
      Effect.succeed([warn("settings", message, "compute_ctl check --pgbin asks it alone")])
    )
  )

export const server = Effect.fnUntraced(function* (pgbin: string, checked: Checked | null, context: ConfContext) {
  const found = findProgram(pgbin, process.env["PATH"])
  if (found === null) return [bad(NAME, `there is no program ${pgbin} that may be run`, CHOOSE)]
  const first = yield* program(found)
  if (first.state === "bad") return [first]
  const refused = checked === null ? [] : yield* refusals(checked, found, context)
  return [first, tools(found), ...refused]
}, Effect.provide(Children.layer))

/**
 * The tree of verbs: flags, help and examples. What a verb does is loaded when it runs.
 */
import * as Command from "effect/cli/Command"
import { activity, apply, history, report, status, top } from "./commands/computes.ts"
import { check, conf, diff, plan } from "./commands/documents.ts"
import { dev, doctor, emulate, fastImport } from "./commands/local.ts"
import { completionsOf, openapi, version } from "./commands/program.ts"

const verbs = [
  check,
  conf,
  diff,
  plan,
  status,
  top,
  apply,
  activity,
  history,
  report,
  doctor,
  dev,
  emulate,
  fastImport,
  openapi,
  version
] as const

const compute = Command.make("compute_ctl").pipe(
  Command.withDescription("compute_ctl turns an empty machine into a running Neon compute and supervises its Postgres.")
)

export const root = compute.pipe(
  Command.withSubcommands([...verbs, completionsOf(compute.pipe(Command.withSubcommands(verbs)))])
)

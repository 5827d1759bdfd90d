/**
 * Verbs about the program itself.
 */
import * as Argument from "effect/cli/Argument"
import * as Command from "effect/cli/Command"
import { asJson } from "../options.ts"
import { SHELLS } from "../program/completions.ts"
import { does, explained } from "./verb.ts"

export const openapi = Command.make(
  "openapi",
  {},
  does(async () => {
    const { openapi } = await import("../program/openapi.ts")
    return () => openapi
  })
).pipe(
  explained("openapi", "Both servers' APIs, as JSON. Exit code: 0 printed, 2 wrong arguments.", [
    "> openapi.json",
    "for a generator of clients"
  ])
)

export const version = Command.make(
  "version",
  { json: asJson },
  does(async () => (await import("../program/version.ts")).version)
).pipe(
  explained("version", "The build, and what it runs on. Exit code: 0 printed, 2 wrong arguments.", [
    "",
    "the tag of the build"
  ])
)

/** Completes these verbs. */
export const completionsOf = (verbs: Command.Command.Any) =>
  Command.make(
    "completions",
    { shell: Argument.Literals(SHELLS.join("|"), SHELLS).pipe(Argument.withDescription("Whose script")) },
    does(async () => {
      const { completions } = await import("../program/completions.ts")
      return ({ shell }: { readonly shell: (typeof SHELLS)[number] }) => completions(verbs, shell)
    })
  ).pipe(
    explained(
      "completions",
      "Exit code: 0 printed, 2 wrong arguments.",
      ["bash > /etc/bash_completion.d/compute_ctl", "for everybody on this machine"],
      ["fish | source", "for this shell"]
    )
  )

/**
 * Verbs that ask running computes.
 */
import * as Command from "effect/cli/Command"
import { asJson } from "../options.ts"
import { fitToken, targetFlags } from "../target.ts"
import { does, explained } from "./verb.ts"

export const status = Command.make(
  "status",
  { ...targetFlags, json: asJson },
  does(async () => (await import("../status.ts")).status)
).pipe(
  Command.validate(fitToken),
  explained(
    "status",
    "Exit code: 0 running, 3 anything else that is no failure, 1 failed or not to be asked, 2 wrong arguments.",
    ["--token-file token", "the compute of this machine"],
    ["--url http://10.0.0.7:3080 --json", "another's, for a script; the token from COMPUTE_CTL_TOKEN"]
  )
)

/**
 * Verbs that read a configuration and run nothing.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { address, fitToken, tokenFlags } from "../computes/target.ts"
import { documentFlags, fitDocument } from "../documents/document.ts"
import { asJson, misfit, privilegedRole, text } from "../options.ts"
import { does, explained } from "./verb.ts"

export const check = Command.make(
  "check",
  {
    ...documentFlags,
    pgbin: text("pgbin", "POSTGRES", "The postgres program that is asked what it would refuse, and for its libraries", {
      short: "b"
    }),
    json: asJson
  },
  does(async () => (await import("../documents/check.ts")).check)
).pipe(
  Command.validate(fitDocument),
  explained(
    "check",
    "Every error is printed with its JSON path. Exit code: 0 it could be run, 1 it could not, 2 wrong arguments.",
    ["--config config.json", "a whole configuration"],
    ["--config config.json --pgbin /usr/local/bin/postgres", "with what that Postgres would refuse of its settings"],
    ["--spec-path - < spec.json", "a bare spec from the standard input"]
  )
)

export const conf = Command.make(
  "conf",
  documentFlags,
  does(async () => (await import("../documents/conf.ts")).conf)
).pipe(
  Command.validate(fitDocument),
  explained("conf", "Exit code: 0 printed, 1 the configuration could not be run, 2 wrong arguments.", [
    "--config config.json | diff - pgdata/postgresql.conf",
    "what a start would write differently"
  ])
)

export const plan = Command.make(
  "plan",
  {
    config: text("config", "FILE", "Configuration whose spec is to be planned", { short: "c" }),
    connstr: text("connstr", "URL", "Connection URI of the Postgres to look at", {
      short: "C",
      preset: "cloud_admin on localhost, at the spec's port"
    }),
    url: address(
      "url",
      "Ask a running compute, as http://localhost:3080, instead of its Postgres; without --config for its own spec"
    ),
    ...tokenFlags,
    privilegedRole,
    lakebase: Flag.Literals("lakebase-mode", ["true", "false"]).pipe(
      Flag.withDescription("Plan for lakebase [default: false]"),
      Flag.withDefault("false"),
      Flag.map((given) => given === "true")
    ),
    json: asJson
  },
  does(async () => (await import("../documents/plan.ts")).plan)
).pipe(
  Command.validate(
    Effect.fnUntraced(function* (given) {
      if (given.config === null && given.url === null) yield* misfit("give --config or --url")
      if (given.url !== null && given.connstr !== null) yield* misfit("--connstr cannot be used with --url")
      yield* fitToken(given)
    })
  ),
  explained(
    "plan",
    "It changes nothing. Exit code: 0 nothing to do, 2 changes pending, 1 it could not be found out.",
    ["--config config.json", "asks the Postgres that the spec describes"],
    ["--url http://localhost:3080 --token-file token", "what a compute would do for its own spec"]
  )
)

export const diff = Command.make(
  "diff",
  {
    config: Flag.String("config").pipe(
      Flag.withAlias("c"),
      Flag.withMetavar("FILE"),
      Flag.withDescription("The old configuration, and the new one; `-` for standard input"),
      Flag.atLeast(0)
    ),
    internalHttpPort: documentFlags.internalHttpPort,
    privilegedRole,
    json: asJson
  },
  does(async () => (await import("../documents/diff.ts")).diff)
).pipe(
  Command.validate(
    Effect.fnUntraced(function* ({ config }) {
      if (config.length !== 2) yield* misfit("give --config FILE twice: the old configuration, and then the new one")
      if (config.every((file) => file === "-")) yield* misfit("only one of the two can be `-`, the standard input")
    })
  ),
  explained(
    "diff",
    "Passwords and tokens are compared and not shown. Exit code: 0 nothing, 3 something, 1 one of them could not be run,\n2 wrong arguments.",
    ["--config now.json --config next.json", "what POST /configure with the second one would do to the first"]
  )
)

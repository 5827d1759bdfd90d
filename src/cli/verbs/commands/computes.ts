/**
 * Verbs that ask running computes.
 */
import * as Command from "effect/cli/Command"
import * as Flag from "effect/cli/Flag"
import * as Effect from "effect/Effect"
import { addresses, fitToken, targetFlags, tokenFlags } from "../computes/target.ts"
import { asJson, flag, misfit, number, text } from "../options.ts"
import { does, explained } from "./verb.ts"

const watch = flag("watch", "Look again every two seconds")
const ASKED = "2 wrong arguments, 1 it could not be asked"

export const status = Command.make(
  "status",
  {
    ...targetFlags,
    connstr: text("connstr", "URL", "Connection URI of its Postgres, which is asked itself; else the compute is", {
      short: "C"
    }),
    settings: flag("settings", "The running configuration as well, with where each setting stands"),
    json: asJson,
    watch
  },
  does(async () => (await import("../computes/status.ts")).status)
).pipe(
  Command.validate(fitToken),
  explained(
    "status",
    "Exit code: 0 running, 3 anything else that is no failure, 1 failed or not to be asked, 2 wrong arguments.",
    ["--token-file token", "the compute of this machine"],
    ["--token-file token --settings", "its running configuration too"],
    [
      "--token-file token -C postgresql://cloud_admin@localhost/postgres",
      "an older build, whose Postgres is asked itself"
    ],
    ["--url 10.0.0.7:3080 --watch", "another's, until it has terminated; the token from COMPUTE_CTL_TOKEN"],
    ["--json | jq -r .status", "for a script"]
  )
)

export const top = Command.make(
  "top",
  {
    url: addresses("url", "A compute's external server; may be given several times"),
    file: text("file", "FILE", "Addresses, a line each; `-` for standard input"),
    ...tokenFlags,
    json: asJson,
    watch
  },
  does(async () => (await import("../computes/top.ts")).top)
).pipe(
  Command.validate(
    Effect.fnUntraced(function* (given) {
      if (given.url.length === 0 && given.file === null)
        yield* misfit("give --url URL, once or several times, or --file FILE")
      yield* fitToken(given)
    })
  ),
  explained(
    "top",
    "Exit code: 0 all run, 3 some do something else that is no failure, 1 some have failed or cannot be asked, 2 wrong\narguments.",
    ["--url 10.0.0.7:3080 --url 10.0.0.8:3080 --watch", "two of them, again and again"],
    ["--file fleet --token-file token", "all whose addresses are in a file"]
  )
)

export const apply = Command.make(
  "apply",
  { ...targetFlags, json: asJson },
  does(async () => (await import("../computes/apply.ts")).apply)
).pipe(
  Command.validate(fitToken),
  explained(
    "apply",
    `Exit code: 0 done, or there was none, 3 it runs, 1 it failed or could not be asked, 2 wrong arguments.`,
    ["--token-file token", "which steps failed, and why"]
  )
)

export const activity = Command.make(
  "activity",
  { ...targetFlags, json: asJson },
  does(async () => (await import("../computes/activity.ts")).activity)
).pipe(
  Command.validate(fitToken),
  explained("activity", `Exit code: 0 in use, 3 not in use or not known, ${ASKED}.`, [
    "--token-file token",
    "what keeps it from being suspended"
  ])
)

export const history = Command.make(
  "history",
  { ...targetFlags, json: asJson },
  does(async () => (await import("../computes/history.ts")).history)
).pipe(
  Command.validate(fitToken),
  explained("history", `The last hundred, oldest first. Exit code: 0 printed, ${ASKED}.`, [
    "--token-file token",
    "how it came to where it is"
  ])
)

export const report = Command.make(
  "report",
  {
    ...targetFlags,
    output: text("output", "FILE", "Where it is written; `-` for standard output", {
      short: "o",
      preset: "compute_ctl-report-TIME.txt"
    }),
    connstr: text("connstr", "URL", "Connection URI of its Postgres, for the settings in force, LSN and slots", {
      short: "C"
    }),
    config: text("config", "FILE", "The compute's configuration, to be in it without its secrets", { short: "c" }),
    log: text("log", "FILE", "The compute's log, of which the last lines are to be in it"),
    lines: Flag.map(number("lines", "N", 100_000, "How many of them", "1000"), (given) => given ?? 1000)
  },
  does(async () => (await import("../computes/report.ts")).report)
).pipe(
  Command.validate(fitToken),
  explained(
    "report",
    `Status, history, apply, activity, settings, metrics, the last lines of the log, versions; no passwords, tokens or keys.
Read it before you send it. Exit code: 0 written, 1 written, but the compute has answered nothing, 2 wrong arguments.`,
    [
      "--token-file token -C postgresql://cloud_admin@localhost/postgres --config config.json --log compute.log",
      "all there is to say"
    ],
    ["--url 10.0.0.7:3080 -o -", "what another compute says of itself"]
  )
)

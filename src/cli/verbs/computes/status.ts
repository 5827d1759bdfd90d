/**
 * `compute_ctl status`: what a running compute does and what it waits for, on one screen.
 */
import * as Effect from "effect/Effect"
import type { ComputeStatus } from "../../../domain/status/ComputeStatus.ts"
import type { Target } from "../../../http/client.ts"
import { wallMillis } from "../../../layers/compute/clock/WallClock.ts"
import { columns, complain, print, repaint } from "../../output.ts"
import { ofTerminal } from "../../terminal/Paint.ts"
import { changes } from "./status/changes.ts"
import { extras, none } from "./status/extras.ts"
import { askCompute, askPostgres } from "./status/postgres.ts"
import { statusText } from "./status/screen.ts"
import { explained, type TargetOptions, targetOf } from "./target.ts"

export const RUNNING = 0
export const FAILED = 1
export const OTHERWISE = 3

/** Between two screens when nothing is told. */
const PERIOD = "2 seconds"

export const exitCodeOf = (status: ComputeStatus): number =>
  status === "running" ? RUNNING : status === "failed" ? FAILED : OTHERWISE

export interface StatusOptions extends TargetOptions {
  readonly json: boolean
  readonly watch: boolean
  /** Of the compute's Postgres, which is asked itself then. */
  readonly connstr: string | null
  /** Its running configuration as well. */
  readonly settings: boolean
}

interface Wanted {
  readonly target: Target
  readonly json: boolean
  readonly connstr: string | null
  readonly settings: boolean
}

/** One look: what is to be printed, and the exit code. */
const look = Effect.fnUntraced(function* ({ connstr, json, settings, target }: Wanted) {
  const { standing } = yield* Effect.promise(() => import("../../../http/client.ts"))
  const status = yield* standing(target)
  const code = exitCodeOf(status.status)
  const wanted = !json || settings || connstr !== null
  const asked = connstr === null ? askCompute(target) : askPostgres(connstr)
  if (json) {
    const facts = wanted ? yield* asked : null
    const text = JSON.stringify(wanted ? { ...status, postgres: facts } : status, null, 2)
    return { code, status: status.status, text }
  }
  const more = status.status === "terminated" ? Effect.succeed(none) : extras(target)
  const [facts, found] = yield* Effect.all([asked, more], { concurrency: "unbounded" })
  const screen = { paint: ofTerminal(), room: columns(), withSettings: settings }
  const text = statusText({ status, extras: found, facts, now: yield* wallMillis }, screen)
  return { code, status: status.status, text }
})

const once = (wanted: Wanted) =>
  look(wanted).pipe(
    Effect.tap(({ text }) => print(text)),
    Effect.map(({ code }) => code),
    Effect.catch((error) => Effect.as(complain(`Error: ${explained(error, wanted.target)}`), FAILED))
  )

/** As soon as something happens, until the compute has terminated; one that does not answer is asked again. */
const forever = Effect.fnUntraced(function* (wanted: Wanted) {
  const { json } = wanted
  const next = yield* changes(wanted.target, PERIOD)
  while (true) {
    const seen = yield* Effect.catch(look(wanted), (error) =>
      Effect.succeed({ code: FAILED, status: null, text: json ? null : `Error: ${explained(error, wanted.target)}` })
    )
    if (seen.text !== null) yield* json ? print(seen.text) : repaint(seen.text)
    if (seen.status === "terminated") return seen.code
    yield* next
  }
}, Effect.scoped)

export const status = (given: StatusOptions) =>
  Effect.flatMap(targetOf(given), (target) => {
    const { connstr, json, settings, watch } = given
    return (watch ? forever : once)({ target, json, connstr, settings })
  })

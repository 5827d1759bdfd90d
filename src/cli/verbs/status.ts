/**
 * `compute_ctl status`: what a running compute does and what it waits for, on one screen.
 */
import * as Effect from "effect/Effect"
import type { ComputeStatus } from "../../domain/status/ComputeStatus.ts"
import type { Target } from "../../http/client.ts"
import { wallMillis } from "../../layers/compute/clock/WallClock.ts"
import { columns, complain, hasColours, isTerminal, print } from "../output.ts"
import { colours, plain } from "../terminal/Paint.ts"
import { extras, none } from "./status/extras.ts"
import { statusText } from "./status/screen.ts"
import { explained, type TargetOptions, targetOf } from "./target.ts"

const RUNNING = 0
const FAILED = 1
const OTHERWISE = 3

/** Between two screens. */
const PERIOD = "2 seconds"
/** The cursor goes home and what was below is gone. */
const ANEW = "\x1b[H\x1b[J"

export const exitCodeOf = (status: ComputeStatus): number =>
  status === "running" ? RUNNING : status === "failed" ? FAILED : OTHERWISE

export interface StatusOptions extends TargetOptions {
  readonly json: boolean
  readonly watch: boolean
}

/** One look: what is to be printed, and the exit code. */
const look = (target: Target, json: boolean) =>
  Effect.gen(function* () {
    const client = yield* Effect.promise(() => import("../../http/client.ts"))
    const status = (yield* client.statusDetail(target)) ?? (yield* client.status(target))
    const code = exitCodeOf(status.status)
    if (json) return { code, status: status.status, text: JSON.stringify(status, null, 2) }
    const more = status.status === "terminated" ? none : yield* extras(target)
    const screen = { paint: hasColours() ? colours : plain, room: columns() }
    const text = statusText({ status, extras: more, now: yield* wallMillis }, screen)
    return { code, status: status.status, text }
  })

const once = (target: Target, json: boolean) =>
  look(target, json).pipe(
    Effect.tap(({ text }) => print(text)),
    Effect.map(({ code }) => code),
    Effect.catch((error) => Effect.as(complain(`Error: ${explained(error, target)}`), FAILED))
  )

/** Until the compute has terminated; one that does not answer is asked again. */
const forever = (target: Target, json: boolean) =>
  Effect.gen(function* () {
    while (true) {
      const seen = yield* Effect.catch(look(target, json), (error) =>
        Effect.succeed({ code: FAILED, status: null, text: json ? null : `Error: ${explained(error, target)}` })
      )
      if (seen.text !== null) yield* print(isTerminal() && !json ? `${ANEW}${seen.text}` : seen.text)
      if (seen.status === "terminated") return seen.code
      yield* Effect.sleep(PERIOD)
      if (!isTerminal() && !json) yield* print("")
    }
  })

export const status = (given: StatusOptions) =>
  Effect.flatMap(targetOf(given), (target) => (given.watch ? forever : once)(target, given.json))

/**
 * `compute_ctl activity`: why a compute counts as used.
 */
import * as Effect from "effect/Effect"
import { ActivityReport, describeReason } from "../../../domain/status/Activity.ts"
import { print } from "../../output.ts"
import { harmless } from "../../terminal/harmless.ts"
import { ofTerminal } from "../../terminal/Paint.ts"
import { row } from "../../terminal/sections.ts"
import { askFor } from "./ask.ts"
import { type AskOptions, asking } from "./asking.ts"

const ACTIVE = 0
const IDLE = 3

const activityText = (found: ActivityReport): string => {
  const paint = ofTerminal()
  const active = found.active === null ? paint.warn("not known") : found.active ? paint.good("yes") : paint.dim("no")
  return [
    ...row("in use", found.active_since === null ? active : `${active}, since ${found.active_since}`),
    ...row(
      "because of",
      found.reasons.length === 0 ? "nothing" : found.reasons.map(describeReason).map(harmless).join("\n")
    ),
    ...row("last active", found.last_active ?? "never"),
    ...row("monitor", `${found.monitor}${found.checked_at === null ? "" : `, last look ${found.checked_at}`}`)
  ].join("\n")
}

export const activity = (given: AskOptions) =>
  asking(given, (target) =>
    Effect.gen(function* () {
      const found = yield* askFor(ActivityReport, target, "/activity")
      yield* print(given.json ? JSON.stringify(found, null, 2) : activityText(found))
      return found.active === true ? ACTIVE : IDLE
    })
  )

/**
 * `compute_ctl status`: what a running compute does and what it waits for, on one screen.
 */
import * as Effect from "effect/Effect"
import type { ComputeStatus } from "../../domain/status/ComputeStatus.ts"
import { wallMillis } from "../../layers/compute/clock/WallClock.ts"
import { complain, print } from "../output.ts"
import { statusText } from "./status/screen.ts"
import { explained, type TargetOptions, targetOf } from "./target.ts"

const RUNNING = 0
const FAILED = 1
const OTHERWISE = 3

const exitCode = (status: ComputeStatus): number =>
  status === "running" ? RUNNING : status === "failed" ? FAILED : OTHERWISE

export interface StatusOptions extends TargetOptions {
  readonly json: boolean
}

export const status = (given: StatusOptions) =>
  Effect.gen(function* () {
    const target = yield* targetOf(given)
    const client = yield* Effect.promise(() => import("../../http/client.ts"))
    const asked = Effect.gen(function* () {
      const found = (yield* client.statusDetail(target)) ?? (yield* client.status(target))
      const now = yield* wallMillis
      yield* print(given.json ? JSON.stringify(found, null, 2) : statusText(found, now))
      return exitCode(found.status)
    })
    return yield* Effect.catch(asked, (error) => Effect.as(complain(`Error: ${explained(error, target)}`), FAILED))
  })

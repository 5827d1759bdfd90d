/**
 * What the compute is and waits for: derived at scrape time, so that it is never stale nor absent.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import {
  computeCtlUp,
  logLinesDropped,
  processStart,
  residentMemory,
  uncaughtErrors,
  waitingSeconds
} from "../../domain/observe/MetricFamilies.ts"
import { kebab } from "../../domain/status/ComputeStatus.ts"
import { ComputeState } from "../compute/ComputeState.ts"
import { wallMillisUnsafe } from "../compute/clock/WallClock.ts"
import { Options } from "../compute/Options.ts"
import { Waits } from "../compute/Waits.ts"
import { Uncaught } from "../machine/process/Uncaught.ts"
import { Log } from "./log/Log.ts"
import { Metrics } from "./Metrics.ts"

export const stateMetrics = Layer.effectDiscard(
  Effect.gen(function* () {
    const metrics = yield* Metrics
    const state = yield* ComputeState
    const waits = yield* Waits
    const log = yield* Log
    const clock = yield* Clock.Clock
    const { buildTag } = yield* Options
    yield* metrics.gauge(
      computeCtlUp,
      Effect.map(state.get, ({ status }) => [{ labels: { build_tag: buildTag, status: kebab(status) }, value: 1 }])
    )
    yield* metrics.gauge(
      waitingSeconds,
      Effect.map(waits.current, (current) => {
        const now = wallMillisUnsafe(clock)
        const oldest = new Map<string, number>()
        for (const { name, since } of current) oldest.set(name, Math.min(since, oldest.get(name) ?? since))
        return [...oldest].map(([wait, since]) => ({ labels: { wait }, value: (now - since) / 1000 }))
      })
    )
    // The system computes it anew each time, at a cost that a scrape loop would notice.
    const resident = yield* Effect.cachedWithTTL(
      Effect.sync(() => [{ labels: {}, value: process.memoryUsage.rss() }]),
      "1 second"
    )
    yield* metrics.gauge(residentMemory, resident)
    const started = wallMillisUnsafe(clock) / 1000 - process.uptime()
    yield* metrics.set(processStart, {}, Math.round(started * 100) / 100)
    yield* metrics.gauge(
      logLinesDropped,
      Effect.map(log.dropped, (value) => [{ labels: {}, value }])
    )
    const uncaught = yield* Uncaught
    yield* metrics.gauge(
      uncaughtErrors,
      Effect.map(uncaught.count, (value) => [{ labels: {}, value }])
    )
  })
)

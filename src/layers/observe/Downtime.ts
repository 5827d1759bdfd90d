/**
 * For how long Postgres has not answered, and how often it was asked.
 *
 * Source: `compute_tools/src/monitor.rs`.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import { monitorChecks, pgCurrentDowntime, pgDowntimeTotal } from "../../domain/observe/MetricFamilies.ts"
import { wallMillis } from "../compute/clock/WallClock.ts"
import type { Metrics } from "./Metrics.ts"

/** While Postgres stays down, how often the log says so. */
const REMINDER_MS = 30_000

const millis = Effect.map(Clock.currentTimeNanos, (nanos) => Number(nanos / 1000n) / 1000)

/** `longestTick`: milliseconds from one look to the next at most; beyond them the machine stood still, or we did. */
export const makeDowntime = Effect.fnUntraced(function* (metrics: Metrics["Service"], longestTick: number) {
  const uptime = { lastUp: 0, lastTick: 0, total: 0, loggedAt: Number.NEGATIVE_INFINITY, down: false }

  const current = Effect.map(millis, (now) => (uptime.down ? Math.trunc(now - uptime.lastUp) : 0))
  yield* metrics.gauge(
    pgCurrentDowntime,
    Effect.map(current, (value) => [{ labels: {}, value }])
  )

  /** The time since the last look, without that in which Postgres stood still with us. */
  const tick = (now: number): number => {
    const gap = now - uptime.lastTick
    const stood = Math.max(0, gap - longestTick)
    uptime.lastUp += stood
    uptime.lastTick = now
    return gap - stood
  }

  return {
    /** From now on Postgres is looked at. */
    begin: Effect.map(millis, (now) => {
      uptime.lastUp = now
      uptime.lastTick = now
    }),
    /** Nobody looks any more; that is not down. */
    end: Effect.sync(() => {
      uptime.down = false
    }),
    up: Effect.gen(function* () {
      const now = yield* millis
      tick(now)
      if (uptime.down) yield* Effect.logInfo(`Postgres answers again after ${Math.trunc(now - uptime.lastUp)} ms`)
      uptime.lastUp = now
      uptime.down = false
      uptime.loggedAt = Number.NEGATIVE_INFINITY
      yield* metrics.increment(monitorChecks, { outcome: "ok" })
    }),
    down: ({ message }: Error) =>
      Effect.gen(function* () {
        const now = yield* millis
        const before = { total: uptime.total, current: uptime.down ? Math.trunc(now - uptime.lastUp) : 0 }
        const lost = Math.max(0, Math.trunc(tick(now)))
        uptime.total += lost
        uptime.down = true
        yield* metrics.increment(pgDowntimeTotal, {}, lost)
        yield* metrics.increment(monitorChecks, { outcome: "failed" })
        if (now - uptime.loggedAt < REMINDER_MS) return
        uptime.loggedAt = now
        const lastUp = new Date((yield* wallMillis) - (now - uptime.lastUp)).toISOString()
        yield* Effect.logError(`could not check Postgres: ${message}`).pipe(
          Effect.annotateLogs(
            "downtime_info",
            `total_ms: ${before.total}, current_ms: ${before.current}, last_up: ${lastUp}`
          )
        )
      })
  }
})

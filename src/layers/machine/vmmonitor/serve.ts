/**
 * What serves agents: the listener, one watch over the cgroup and one connection to Postgres for all of them.
 */
import * as Effect from "effect/Effect"
import * as Ref from "effect/Ref"
import { cgroupMemory } from "../../../domain/observe/MetricFamilies.ts"
import { average, threshold as thresholdOf } from "../../../domain/vmmonitor/Decisions.ts"
import { Metrics } from "../../observe/Metrics.ts"
import { Sql } from "../../sql/Sql.ts"
import { serveAgent } from "./agent.ts"
import { watchCgroup } from "./cgroup.ts"
import { makeFileCache } from "./fileCache.ts"
import { listen, type VmMonitorFailed } from "./listen.ts"

export interface Settings {
  readonly address: string
  readonly cgroupRoot: string
  /** Null: not managed. */
  readonly cgroup: string | null
  /** Null: the file cache is left alone. */
  readonly connstr: string | null
  readonly memory: () => number
}

export const serve = ({
  address,
  cgroup,
  cgroupRoot,
  connstr,
  memory
}: Settings): Effect.Effect<never, VmMonitorFailed, Metrics | Sql> =>
  Effect.gen(function* () {
    const metrics = yield* Metrics
    const threshold = yield* Ref.make(thresholdOf(memory()))
    const watcher = cgroup === null ? null : yield* watchCgroup(cgroupRoot, cgroup)
    const fileCache = connstr === null ? null : yield* makeFileCache(yield* Sql, connstr)
    if (watcher !== null) {
      yield* metrics.gauge(
        cgroupMemory,
        Effect.gen(function* () {
          return [
            { labels: { kind: "average" }, value: average(yield* watcher.history) },
            { labels: { kind: "threshold" }, value: yield* Ref.get(threshold) }
          ]
        })
      )
    }
    yield* listen(address, (agent) =>
      serveAgent({ cgroup: watcher, fileCache, memory, threshold }, agent).pipe(Effect.provideService(Metrics, metrics))
    )
    return yield* Effect.never
  }).pipe(Effect.scoped)

/**
 * Tells, now and then, which extensions are installed in how many databases. The tags of its log lines are read by pipelines.
 *
 * Source: `compute_tools/src/compute.rs` (`spawn_extension_stats_task`, `update_installed_extensions_collection_interval`).
 */
import * as Effect from "effect/Effect"
import { installedExtensionsInterval } from "../../../domain/spec/ComputeSpec.ts"
import type { ParsedSpec } from "../../../domain/spec/ParsedSpec.ts"
import { Catalog } from "../../../layers/catalog/Catalog.ts"
import { ComputeState } from "../../../layers/compute/ComputeState.ts"
import { Options } from "../../../layers/compute/Options.ts"
import { Monitor } from "../../../layers/observe/Monitor.ts"

/** A failure is no reason to look again sooner: it visits every database. */
const collect = Effect.gen(function* () {
  const catalog = yield* Catalog
  const monitor = yield* Monitor
  yield* Effect.catch(monitor.disregard(catalog.installedExtensions), ({ message }) =>
    Effect.logError(`could not get installed extensions: ${message}`)
  )
})

/**
 * Seconds. The flag counts until a spec has been applied to the running Postgres: for a primary that is the one of its
 * start, for all others the one of the first reconfiguration.
 */
const interval = Effect.fnUntraced(function* (atStart: ParsedSpec) {
  const options = yield* Options
  const state = yield* ComputeState
  const spec = (yield* state.get).spec ?? atStart
  const applied = atStart.spec.mode === "Primary" && !atStart.spec.skip_pg_catalog_updates
  return spec === atStart && !applied ? options.installedExtensionsInterval : installedExtensionsInterval(spec.spec)
})

/** At once for a primary, which was just changed; then, and for all others, after twice the interval, which never shrinks. */
export const collectInstalledExtensions = Effect.fnUntraced(function* (atStart: ParsedSpec) {
  if (atStart.spec.mode === "Primary") yield* collect
  let pause = 2 * (yield* interval(atStart))
  yield* Effect.logInfo(`[NEON_EXT_SPAWN] Spawning background installed extensions worker with Timeout: ${pause}`)
  for (;;) {
    yield* Effect.logInfo(`[NEON_EXT_INT_SLEEP]: Interval: ${pause}`)
    yield* Effect.sleep(pause * 1000)
    yield* collect
    pause = Math.max(pause, 2 * (yield* interval(atStart)))
  }
})

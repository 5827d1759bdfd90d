/**
 * Programs beside Postgres that start on their own and only need to be told what the spec says about them.
 *
 * Source: `compute_tools/src/compute.rs` (`tune_pgbouncer`, `configure_local_proxy` as background tasks).
 */
import * as Effect from "effect/Effect"
import type { ParsedSpec } from "../../domain/spec/ParsedSpec.ts"
import { LocalProxy } from "../../layers/neighbours/LocalProxy.ts"
import { PgBouncer } from "../../layers/neighbours/PgBouncer.ts"

const inBackground = (name: string, effect: Effect.Effect<void, Error>) =>
  effect.pipe(
    Effect.catchCause((cause) => Effect.logError(`error while ${name}`, cause)),
    Effect.forkScoped
  )

/** They have their own pace and failures: neither a start nor a reconfiguration waits for them or fails with them. */
export const tellNeighbours = Effect.fnUntraced(function* (spec: ParsedSpec) {
  const pgbouncer = yield* PgBouncer
  const localProxy = yield* LocalProxy
  const { pgbouncer_settings, local_proxy_config } = spec.spec
  if (pgbouncer_settings !== null) yield* inBackground("tuning pgbouncer", pgbouncer.tune(spec))
  if (local_proxy_config !== null) yield* inBackground("configuring local_proxy", localProxy.configure(spec))
})

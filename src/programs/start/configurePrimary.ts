/**
 * What a primary needs once its Postgres accepts connections: its catalog made to match the spec.
 *
 * Source: `compute_tools/src/compute.rs` (`start_compute`, post-start part).
 */
import * as Effect from "effect/Effect"
import { startConcurrency } from "../../domain/spec/Concurrency.ts"
import type { ParsedSpec } from "../../domain/spec/ParsedSpec.ts"
import { Catalog } from "../../layers/catalog/Catalog.ts"
import { Supervisor } from "../../layers/compute/Supervisor.ts"
import { LocalProxy } from "../../layers/neighbours/LocalProxy.ts"
import { DataDirectory } from "../../layers/postgres/dataDirectory/DataDirectory.ts"
import { Postmaster } from "../../layers/postgres/Postmaster.ts"
import { SUBSCRIBERS_ON } from "../run/subscribers.ts"
import { awaitWalProposer } from "../run/walProposer.ts"

const inBackground = (name: string, complaint: string, effect: Effect.Effect<unknown, Error>) =>
  Effect.flatMap(Supervisor, (services) =>
    services.run(
      name,
      effect.pipe(
        Effect.asVoid,
        Effect.catch((error) => Effect.logError(`${complaint}: ${error.message}`))
      )
    )
  )

export const configurePrimary = Effect.fn("configure_as_primary")(function* (spec: ParsedSpec) {
  const catalog = yield* Catalog
  if (!spec.spec.skip_pg_catalog_updates) {
    const directory = yield* DataDirectory
    const localProxy = yield* LocalProxy
    yield* awaitWalProposer(spec)
    // A database that its owner has broken is no reason to keep all the others down.
    const concurrency = startConcurrency(spec.spec)
    const applied = yield* catalog.apply(spec, { concurrency, phase: "start", forgiving: true })
    if (spec.spec.local_proxy_config !== null) {
      // A neighbour that cannot be told is no reason to keep the customer's database down.
      yield* Effect.catch(localProxy.configure(spec), (error) =>
        Effect.logWarning(`could not configure local_proxy: ${error.message}`)
      )
    }
    yield* inBackground("migrations", "Failed to run migrations", catalog.migrate(spec))
    // A subscription that is still there would use up the slot of the parent's subscriber.
    if (!applied.subscriptions_pending && (yield* directory.ensureConfLine(SUBSCRIBERS_ON))) {
      const postgres = yield* Effect.flatMap(Postmaster, (postmaster) => postmaster.current)
      if (postgres !== null) yield* postgres.reload
    }
  }
  yield* inBackground("neon extension update", "Failed to update the neon extension", catalog.updateNeonExtension)
})

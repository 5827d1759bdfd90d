/**
 * Before the first commit of ours: whether one can end at all.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { missingWalProposer } from "../../domain/conf/WalProposer.ts"
import type { ParsedSpec } from "../../domain/spec/ParsedSpec.ts"
import { Waits } from "../../layers/compute/Waits.ts"
import { Sql } from "../../layers/sql/Sql.ts"

/** Nobody confirms commits. The message has the JSON path of the setting that wants it. */
export class WalProposerMissing extends Data.TaggedError("WalProposerMissing")<{ readonly message: string }> {}

/** For a standby of that name that somebody runs by hand: nothing else can still come. */
const LIMIT = "10 seconds"

const CONFIRMING = `SELECT 1 FROM pg_catalog.pg_stat_replication
  WHERE sync_state OPERATOR(pg_catalog.=) ANY ('{sync,quorum}'::pg_catalog.text[])`

const standby = Effect.gen(function* () {
  const sql = yield* Sql
  const session = yield* sql.session({ applicationName: "compute_ctl:standby", purpose: "probe" })
  while ((yield* session.query(CONFIRMING)).length === 0) yield* Effect.sleep("500 millis")
}).pipe(Effect.scoped)

/** Costs nothing where neon is loaded, or no commit waits for it. */
export const awaitWalProposer = Effect.fnUntraced(function* ({ spec }: ParsedSpec) {
  const missing = missingWalProposer(spec)
  if (missing === null) return
  const said = `${missing.path}: ${missing.message}`
  yield* Effect.logWarning(said)
  const waits = yield* Waits
  yield* standby.pipe(
    waits.within("standby walproposer", LIMIT),
    Effect.catchTag("WaitExpired", ({ message }) =>
      Effect.fail(new WalProposerMissing({ message: `${message}: ${said}` }))
    )
  )
})

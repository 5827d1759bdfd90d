/**
 * Whether users can work with the Postgres of this compute now, and on a standby how far it is behind.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { kebab } from "../../domain/status/ComputeStatus.ts"
import type { Ready } from "../../domain/status/Ready.ts"
import { ComputeState } from "../compute/ComputeState.ts"
import { Sql } from "../sql/Sql.ts"

export class NotReady extends Data.TaggedError("NotReady")<{ readonly message: string }> {}

/** Probes come from anybody: Postgres is asked at most once in this time, and by one session. */
const REMEMBERED = "1 second"
const PATIENCE = "2 seconds"

interface Row {
  readonly standby: boolean
  readonly received: string | null
  readonly replayed: string | null
  readonly bytes: string | null
  readonly seconds: string | null
}

const QUERY = `
  SELECT recovering AS standby, received::pg_catalog.text, replayed::pg_catalog.text,
         pg_catalog.pg_wal_lsn_diff(received, replayed)::pg_catalog.text AS bytes,
         extract(epoch FROM pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-)
           pg_catalog.pg_last_xact_replay_timestamp())::pg_catalog.text AS seconds
    FROM (SELECT pg_catalog.pg_is_in_recovery() AS recovering,
                 pg_catalog.pg_last_wal_receive_lsn() AS received,
                 pg_catalog.pg_last_wal_replay_lsn() AS replayed) AS now`

/**
 * An effect whose interruption is not waited for: it ends on its own. For what a peer that hangs would hold up, such as a
 * goodbye or a request to cancel.
 */
const disconnect = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(Effect.forkDetach(restore(effect)), (fiber) =>
      Effect.onInterrupt(restore(Fiber.join(fiber)), () => Effect.sync(() => fiber.interruptUnsafe()))
    )
  )

const number = (text: string | null): number | null => (text === null ? null : Math.max(0, Number(text)))

const describe = ({ bytes, received, replayed, seconds, standby }: Row): Ready => ({
  ready: true,
  standby: standby
    ? {
        received_lsn: received,
        replayed_lsn: replayed,
        behind_bytes: number(bytes),
        behind_seconds: number(seconds)
      }
    : null
})

export class Readiness extends Context.Service<
  Readiness,
  {
    /** The message is for a probe's reader and names no tenant. */
    readonly check: Effect.Effect<Ready, NotReady>
  }
>()("compute/Readiness") {
  static readonly layer = Layer.effect(
    this,
    Effect.gen(function* () {
      const state = yield* ComputeState
      const sql = yield* Sql
      const ask = Effect.gen(function* () {
        const { postgresRuns, status } = yield* state.get
        if (!postgresRuns) return yield* new NotReady({ message: `Postgres does not run: ${kebab(status)}` })
        // Postgres serves before the roles and databases of the spec are in it.
        if (status === "init") return yield* new NotReady({ message: "the catalog does not match the spec yet: init" })
        const session = yield* sql.session({
          applicationName: "compute_ctl:readiness",
          purpose: "probe",
          connectTimeout: PATIENCE
        })
        const [row] = yield* session.query<Row>(QUERY)
        if (row === undefined) return yield* new NotReady({ message: "Postgres gave no answer" })
        return describe(row)
      }).pipe(
        Effect.scoped,
        // A server that hangs does not answer a cancel request either.
        disconnect,
        Effect.timeoutOrElse({
          duration: PATIENCE,
          orElse: () => Effect.fail(new NotReady({ message: "Postgres gave no answer in time" }))
        }),
        Effect.catchTag("SqlFailed", () =>
          Effect.fail(new NotReady({ message: "Postgres does not accept connections" }))
        ),
        Effect.result
      )
      const asked = yield* Effect.cachedWithTTL(ask, REMEMBERED)
      return Readiness.of({ check: Effect.flatMap(asked, Effect.fromResult) })
    })
  )
}

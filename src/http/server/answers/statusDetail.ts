/**
 * What an operator wants to know beyond `/status`: since when, what is waited for and until when, what runs beside Postgres.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { TOLD } from "../../../domain/postgres/RefusedSetting.ts"
import { Catalog } from "../../../layers/catalog/Catalog.ts"
import { Authorization } from "../../../layers/compute/authorization/Authorization.ts"
import { ComputeState } from "../../../layers/compute/ComputeState.ts"
import { wallMillisUnsafe } from "../../../layers/compute/clock/WallClock.ts"
import { Options } from "../../../layers/compute/Options.ts"
import { Supervisor } from "../../../layers/compute/Supervisor.ts"
import { Waits } from "../../../layers/compute/Waits.ts"
import { Reconfiguration } from "../../../programs/run/reconfigure.ts"
import { type StatusDetail, toIso } from "../../api/shapes/StatusDetail.ts"
import { statusBody } from "./statusBody.ts"

export const statusDetail: Effect.Effect<
  StatusDetail,
  never,
  Authorization | ComputeState | Options | Supervisor | Waits
> = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const options = yield* Options
  const state = yield* ComputeState.current
  const waits = yield* Effect.flatMap(Waits, ({ current }) => current)
  const services = yield* Effect.flatMap(Supervisor, ({ current }) => current)
  const keys = yield* Effect.flatMap(Authorization, (authorization) => authorization.keys)
  // Whoever has no catalog has no failed databases either.
  const catalog = yield* Effect.serviceOption(Catalog)
  const failed = Option.isSome(catalog) ? yield* catalog.value.failedDatabases : []
  const reconfiguration = yield* Effect.serviceOption(Reconfiguration)
  const refused = Option.isSome(reconfiguration) ? yield* reconfiguration.value.refused : []
  return {
    version: 1,
    ...statusBody(state),
    compute_id: options.computeId,
    now: toIso(wallMillisUnsafe(clock)),
    since: toIso(state.since),
    postgres_runs: state.postgresRuns,
    keys: keys.map(({ counts, kid, since }) => ({ kid, since: toIso(since), counts })),
    waits: waits.map(({ deadline, detail, name, since }) => ({
      name,
      since: toIso(since),
      deadline: deadline === null ? null : toIso(deadline),
      detail
    })),
    services: services.map(({ lastError, name, restarts, state }) => ({
      name,
      state,
      restarts,
      last_error: lastError
    })),
    failed_databases: failed.map(({ database, object, error }) => ({ database, object, error: error.message })),
    refused_settings: refused.slice(0, TOLD)
  }
})

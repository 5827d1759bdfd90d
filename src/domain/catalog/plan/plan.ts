/**
 * From a spec and the catalog as it is to the changes that make the two agree. Nothing is dropped because the spec does
 * not mention it: drops and renames come from delta operations only, and each may come again after it was done.
 *
 * Source: `compute_tools/src/spec_apply.rs` (`apply_spec_sql`, `ApplySpecPhase`).
 */
import * as Result from "effect/Result"
import type { Steps } from "../../json/Steps.ts"
import type { ParsedSpec } from "../../spec/ParsedSpec.ts"
import type { Snapshot } from "../Snapshot.ts"
import { type DraftDatabase, draft, type PlanSettings, type UnplannableSpec } from "./Draft.ts"
import { createAndAlterDatabases, dropInvalidDatabases, grantDatabases, renameAndDeleteDatabases } from "./databases.ts"
import { authExtension, databricksFunctions, databricksGrants, databricksRoles, readerTimeouts } from "./lakebase.ts"
import { databaseWork, doomedSubscriptions } from "./perDatabase.ts"
import { createAndAlterRoles, dropRoles, privilegedRole, renameRoles } from "./roles.ts"
import type { DatabaseWork, Phase, PhaseName, Plan, Step } from "./Step.ts"
import {
  audit,
  availabilityCheck,
  neonExtension,
  otherExtensions,
  recordDroppedSubscriptions,
  schemaNeon
} from "./system.ts"

const phase = (name: PhaseName, steps: ReadonlyArray<Step>, databases: ReadonlyArray<DatabaseWork> = []): Phase => ({
  name,
  steps,
  databases
})

/**
 * The order is the contract: owners before databases; renames before what is matched by the new name; subscriptions before
 * the drop they would block; roles when nothing is going to be given to them any more; the audit last.
 */
export function* planSteps(
  { spec }: ParsedSpec,
  snapshot: Snapshot,
  settings: PlanSettings,
  settled: (row: DraftDatabase) => boolean = () => false
): Steps<Result.Result<Plan, UnplannableSpec>> {
  const state = draft(spec, snapshot, settings)
  const lakebase = (steps: () => ReadonlyArray<Step>) => (settings.lakebase ? steps() : [])
  const phases = [
    phase("drop subscriptions of databases to be deleted", [], yield* doomedSubscriptions(spec, state)),
    phase("privileged role", privilegedRole(state)),
    phase(
      "databricks roles",
      lakebase(() => databricksRoles(state))
    ),
    phase(
      "databricks reader timeouts",
      lakebase(() => readerTimeouts(state))
    ),
    phase("drop invalid databases", yield* dropInvalidDatabases(state)),
    phase("rename roles", yield* renameRoles(spec, state)),
    phase("create and alter roles", yield* createAndAlterRoles(spec, state)),
    phase("rename and delete databases", yield* renameAndDeleteDatabases(spec, state)),
    phase("create and alter databases", yield* createAndAlterDatabases(spec, state)),
    phase("grant databases", yield* grantDatabases(spec, state)),
    phase("schema neon", schemaNeon(state)),
    phase("databases", [], yield* databaseWork(spec, state, settled)),
    phase("other extensions", otherExtensions(spec, state)),
    phase("neon extension", neonExtension(spec, state)),
    phase(
      "databricks auth extension",
      lakebase(() => authExtension(state))
    ),
    phase("availability check", availabilityCheck(state)),
    phase("drop roles", yield* dropRoles(spec, state)),
    phase(
      "databricks grants",
      lakebase(() => databricksGrants(state))
    ),
    phase(
      "databricks functions",
      lakebase(() => databricksFunctions(state))
    ),
    phase("record dropped subscriptions", recordDroppedSubscriptions(spec, state)),
    phase("audit", audit(spec, state))
  ]
  const [refusal] = state.refusals
  if (refusal !== undefined) return Result.fail(refusal)
  return Result.succeed({
    phases: phases.filter(({ steps, databases }) => steps.length > 0 || databases.length > 0),
    warnings: [...new Set(state.warnings)],
    shut: [...new Set(state.shut)]
  })
}

/**
 * What a lakebase compute has on top.
 *
 * Source: `compute_tools/src/spec_apply.rs` (`CreateDatabricksRoles`, `AlterDatabricksRoles`, `HandleDatabricksAuthExtension`,
 * `AddDatabricksGrants`, `CreateDatabricksMisc`), `compute_tools/src/sql/create_databricks_misc.sql`.
 */
import { ident, literal } from "../../postgres/Quote.ts"
import { healthCheck as healthCheckTable, writeFault } from "../Ownership.ts"
import { isMonitor } from "../RoleMark.ts"
import { type Draft, leaveAlone, markOf } from "./Draft.ts"
import * as Outcome from "./Outcome.ts"
import { named, type Step, step } from "./Step.ts"

const monitor = named("role", "databricks_monitor")

const ROLES = [
  ["databricks_monitor", "IN ROLE pg_monitor"],
  ["databricks_control_plane", "SUPERUSER"],
  ["databricks_gateway", ""]
] as const

/** They are let in by the included `pg_hba` lines, not by a password. */
export const databricksRoles = (draft: Draft): ReadonlyArray<Step> =>
  ROLES.flatMap(([name, clause]) => {
    if (draft.roles.has(name)) return []
    draft.roles.set(name, null)
    const options = clause === "" ? "" : ` ${clause}`
    return [
      step(named("role", name), "missing", `CREATE ROLE ${name} LOGIN PASSWORD NULL${options}`, {
        provides: [Outcome.role(name)]
      })
    ]
  })

const timeoutOf = (draft: Draft, role: string): string | undefined =>
  draft.snapshot.roleTimeouts.find((found) => found.role === role)?.timeout

export const readerTimeouts = (draft: Draft): ReadonlyArray<Step> => {
  const timeout = draft.snapshot.readerTimeout
  if (timeout === null || timeout === "" || timeout === "0") return []
  return [...draft.roles.keys()].flatMap((role) =>
    /^databricks_reader_\d+$/.test(role) && timeoutOf(draft, role) !== timeout
      ? [
          step(
            named("role", role),
            `readers are limited to ${timeout}`,
            `ALTER ROLE ${ident(role)} SET statement_timeout = ${literal(timeout)}`,
            { needs: [Outcome.role(role)] }
          )
        ]
      : []
  )
}

/**
 * Made anew each time: the files of the image decide what it contains. What others have built upon it goes with it: any user
 * may make a temporary view of it.
 */
export const authExtension = (draft: Draft): ReadonlyArray<Step> => {
  const object = named("extension", "databricks_auth")
  const found = draft.snapshot.extensions.find(({ name }) => name === "databricks_auth")
  if (found?.ours === false) return leaveAlone(draft, object, "a tenant has made it")
  return [
    step(object, "made anew", "DROP EXTENSION IF EXISTS databricks_auth CASCADE", {
      provides: [Outcome.freed(object)]
    }),
    step(object, "made anew", "CREATE EXTENSION databricks_auth WITH SCHEMA public", {
      needs: [Outcome.freed(object)],
      provides: [object]
    }),
    step(object, "for monitoring", "GRANT SELECT ON public.databricks_auth_metrics TO pg_monitor", { needs: [object] })
  ]
}

/** A role of this name that a tenant has made is given nothing. */
const monitorFault = (draft: Draft): string | null => {
  const mark = markOf(draft.snapshot, "databricks_monitor")
  return mark === undefined || isMonitor(mark) ? null : "no superuser has made it a member of pg_monitor"
}

export const databricksGrants = (draft: Draft): ReadonlyArray<Step> => {
  const { faults, extensions, healthCheck } = draft.snapshot
  const fault = monitorFault(draft)
  if (fault !== null) return leaveAlone(draft, monitor, fault)
  const neon = extensions.some(({ name, ours }) => name === "neon" && !ours)
    ? "a tenant has made its extension"
    : (faults.schemaNeon ?? faults.perfCounters)
  const rights = [
    ["USAGE ON SCHEMA neon", Outcome.schema("neon"), faults.schemaNeon],
    // Without a schema of ours it has not been made.
    [
      "SELECT, INSERT, UPDATE ON public.health_check",
      Outcome.table("public.health_check"),
      healthCheck ? faults.healthCheck : faults.schemaNeon
    ],
    ["EXECUTE ON FUNCTION pg_catalog.pg_ls_dir(pg_catalog.text)", monitor, null],
    ["SELECT ON neon.neon_perf_counters", Outcome.extension("neon"), neon],
    ["EXECUTE ON FUNCTION neon.get_perf_counters()", Outcome.extension("neon"), neon]
  ] as const
  return rights.flatMap(
    ([right, on, fault]): ReadonlyArray<Step> =>
      fault === null
        ? [step(monitor, "for monitoring", `GRANT ${right} TO databricks_monitor`, { needs: [monitor, on] })]
        : leaveAlone(draft, `what ${right.replace(/^.* ON /, "")} names`, fault)
  )
}

const HEALTH_CHECK = `CREATE OR REPLACE FUNCTION public.health_check_write_succeeds() RETURNS pg_catalog.int4
LANGUAGE plpgsql AS $body$
DECLARE
  fault CONSTANT pg_catalog.text := ${writeFault(healthCheckTable)};
BEGIN
  IF fault IS NOT NULL THEN
    RAISE EXCEPTION 'table "public.health_check" is not ours: %', fault;
  END IF;
  INSERT INTO public.health_check (id, updated_at) VALUES (1, pg_catalog.now())
    ON CONFLICT (id) DO UPDATE SET updated_at = excluded.updated_at;
  RETURN 1;
EXCEPTION WHEN OTHERS THEN
  RAISE EXCEPTION '[DATABRICKS_SMGR] health_check failed: [%] %', SQLSTATE, SQLERRM;
END
$body$`

export const databricksFunctions = (draft: Draft): ReadonlyArray<Step> => {
  const object = named("function", "public.health_check_write_succeeds")
  const { writeFunction } = draft.snapshot.faults
  return [
    ...(timeoutOf(draft, "databricks_monitor") === "60s" || monitorFault(draft) !== null
      ? []
      : [
          step(monitor, "limited to 60 s", "ALTER ROLE databricks_monitor SET statement_timeout = '60s'", {
            needs: [monitor]
          })
        ]),
    // Replaced, it would still be its owner's, who could change it again.
    ...(writeFunction === null ? [step(object, "for probes", HEALTH_CHECK)] : leaveAlone(draft, object, writeFunction))
  ]
}

/**
 * Objects of the system database, the one of our own sessions.
 *
 * Source: `compute_tools/src/spec_apply.rs` (`CreateSchemaNeon`, `HandleOtherExtensions`, `HandleNeonExtension`,
 * `CreateAvailabilityCheck`, `FinalizeDropLogicalSubscriptions`, `CreatePgauditExtension`, `CreatePgauditlogtofileExtension`,
 * `DisablePostgresDBPgAudit`), `compute_tools/src/checker.rs`.
 */

import { isCompliance } from "../../conf/AuditConf.ts"
import { preloadsNeon } from "../../conf/WalProposer.ts"
import { ident } from "../../postgres/Quote.ts"
import { type ComputeSpec, findSetting } from "../../spec/ComputeSpec.ts"
import { stored } from "../Name.ts"
import { ADMINS, type Draft, leaveAlone } from "./Draft.ts"
import * as Outcome from "./Outcome.ts"
import { subscriptionsPending } from "./perDatabase.ts"
import { named, quotedName, type Step, step } from "./Step.ts"

export const schemaNeon = (draft: Draft): ReadonlyArray<Step> =>
  draft.snapshot.schemaNeon
    ? []
    : // Not "if not exists": who made one meanwhile could put into it what we then rely on.
      [
        step(named("schema", "neon"), "missing", "CREATE SCHEMA neon AUTHORIZATION cloud_admin", {
          provides: [Outcome.schema("neon")]
        })
      ]

/** Why nothing may be made in schema `neon`, or be called there. */
const neonFault = ({ snapshot }: Draft): string | null =>
  snapshot.faults.schemaNeon === null ? null : `it is in schema "neon", and ${snapshot.faults.schemaNeon}`

const installed = (draft: Draft, name: string) => draft.snapshot.extensions.find((found) => found.name === name)

/** Tenants may make a trusted extension, and add to it whatever they like. */
const OF_A_TENANT = "a tenant has made it"

const inPublic = (draft: Draft, name: string, reason: string): ReadonlyArray<Step> => {
  const object = named("extension", name)
  const found = installed(draft, name)
  if (found === undefined) return [step(object, reason, `CREATE EXTENSION IF NOT EXISTS ${name} WITH SCHEMA public`)]
  return found.ours ? [] : leaveAlone(draft, object, OF_A_TENANT)
}

/** A library listed only in `postgresql_conf` does not count. */
export const wantsStatements = (spec: ComputeSpec): boolean =>
  findSetting(spec.cluster.settings, "shared_preload_libraries")?.includes("pg_stat_statements") === true

export const otherExtensions = (spec: ComputeSpec, draft: Draft): ReadonlyArray<Step> => {
  const name = "pg_stat_statements"
  if (!wantsStatements(spec)) return []
  const { statements } = draft.snapshot.faults
  if (installed(draft, name) === undefined && statements !== null) {
    return leaveAlone(draft, named("relation", `public.${name}`), statements)
  }
  return inPublic(draft, name, "its library is preloaded")
}

/** Installations of the first images are neither relocatable nor in schema `neon`. */
export const neonExtension = (spec: ComputeSpec, draft: Draft): ReadonlyArray<Step> => {
  const object = named("extension", "neon")
  const found = installed(draft, "neon")
  if (found?.ours === false) return leaveAlone(draft, object, OF_A_TENANT)
  const fault = neonFault(draft)
  if (fault !== null) return leaveAlone(draft, object, fault)
  if (found === undefined && draft.snapshot.neonAvailable === null && !preloadsNeon(spec)) {
    // A Postgres without it, and a spec that does not count on it.
    draft.warnings.push(`${object} is not made: this server does not have it, and the spec does not preload it`)
    return []
  }
  if (found === undefined) {
    return [
      step(object, "missing", "CREATE EXTENSION neon WITH SCHEMA neon", {
        needs: [Outcome.schema("neon")],
        provides: [Outcome.extension("neon")]
      })
    ]
  }
  const relocatable = `${object} to be relocatable`
  return [
    ...(found.relocatable
      ? []
      : [
          step(
            object,
            "not marked relocatable",
            "UPDATE pg_catalog.pg_extension SET extrelocatable = true WHERE extname OPERATOR(pg_catalog.=) 'neon' AND NOT extrelocatable",
            { provides: [relocatable] }
          )
        ]),
    ...(found.schema === "neon"
      ? []
      : [
          step(object, `it is in schema ${quotedName(found.schema)}`, "ALTER EXTENSION neon SET SCHEMA neon", {
            needs: [Outcome.schema("neon"), relocatable]
          })
        ]),
    ...(found.version === draft.snapshot.neonAvailable
      ? []
      : [
          step(
            object,
            `version ${found.version} is installed, ${draft.snapshot.neonAvailable ?? "none"} is available`,
            "ALTER EXTENSION neon UPDATE"
          )
        ])
  ]
}

/** The name of a role; null stands for all roles. */
const grantee = (role: string | null): string => (role === null ? "PUBLIC" : ident(role))

/**
 * What others have put on the table or may put there. They had the rights by default privileges, in a database that the
 * spec lists, and their triggers would run with the rights of whoever writes.
 */
const stripHealthCheck = (draft: Draft, object: string): ReadonlyArray<Step> => {
  const { healthCheckGrantees, healthCheckTriggers } = draft.snapshot.faults
  const others = healthCheckGrantees.filter((role) => !(draft.settings.lakebase && role === "databricks_monitor"))
  const statements = [
    ...(others.length === 0
      ? []
      : [`REVOKE ALL ON TABLE public.health_check FROM ${others.map(grantee).join(", ")} CASCADE`]),
    ...healthCheckTriggers.map((name) => `DROP TRIGGER IF EXISTS ${ident(name)} ON public.health_check`)
  ]
  return statements.length === 0 ? [] : [step(object, "others have rights or triggers on it", statements.join("; "))]
}

/**
 * It is made where nobody else may create anything, and then moved: in `public` default privileges could give rights on
 * it, and a schema of a tenant's could get another table of that name between two statements.
 */
export const availabilityCheck = (draft: Draft): ReadonlyArray<Step> => {
  const object = named("table", "public.health_check")
  const fault = draft.snapshot.healthCheck ? draft.snapshot.faults.healthCheck : neonFault(draft)
  if (fault !== null) return leaveAlone(draft, object, fault)
  if (draft.snapshot.healthCheck) return stripHealthCheck(draft, object)
  return [
    step(
      object,
      "missing",
      [
        "CREATE TABLE neon.health_check (" +
          "id pg_catalog.int4 GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, " +
          "updated_at pg_catalog.timestamptz DEFAULT pg_catalog.now())",
        "INSERT INTO neon.health_check (id, updated_at) VALUES (1, pg_catalog.now())",
        "ALTER TABLE neon.health_check SET SCHEMA public"
      ].join("; "),
      { needs: [Outcome.schema("neon")], provides: [Outcome.table("public.health_check")] }
    )
  ]
}

/** One row, overwritten, so that branches of branches do not grow the table. */
export const recordDroppedSubscriptions = (spec: ComputeSpec, draft: Draft): ReadonlyArray<Step> => {
  if (!subscriptionsPending(spec, draft)) return []
  const object = named("table", "neon.drop_subscriptions_done")
  const fault = neonFault(draft) ?? draft.snapshot.faults.subscriptionsDone
  if (fault !== null) return leaveAlone(draft, object, fault)
  return [
    step(
      object,
      "inherited subscriptions are dropped once per timeline",
      [
        "CREATE TABLE IF NOT EXISTS neon.drop_subscriptions_done (" +
          "id pg_catalog.int4 GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, timeline_id pg_catalog.text)",
        "INSERT INTO neon.drop_subscriptions_done (id, timeline_id) " +
          "VALUES (1, pg_catalog.current_setting('neon.timeline_id')) " +
          "ON CONFLICT (id) DO UPDATE SET timeline_id = excluded.timeline_id"
      ].join("; "),
      {
        needs: [Outcome.schema("neon"), ...spec.cluster.databases.map(({ name }) => Outcome.withoutSubscriptions(name))]
      }
    )
  ]
}

/** In a database that the spec gives to a tenant it is the tenant who is to be audited. */
const silenced = (spec: ComputeSpec, draft: Draft): ReadonlyArray<Step> => {
  const object = named("database", "postgres")
  const given = spec.cluster.databases.some(({ name, owner }) => stored(name) === "postgres" && !ADMINS.includes(owner))
  const isSilent = draft.snapshot.postgresSettings.includes("pgaudit.log=none")
  if (given === !isSilent) return []
  return given
    ? [step(object, "it is a tenant's", "ALTER DATABASE postgres RESET pgaudit.log")]
    : [
        step(
          object,
          "what monitors do in it is noise to an auditor",
          "ALTER DATABASE postgres SET pgaudit.log TO 'none'"
        )
      ]
}

/** Last, so that everything before is still audited. Switching the level off removes nothing. */
export const audit = (spec: ComputeSpec, draft: Draft): ReadonlyArray<Step> => {
  const level = spec.audit_log_level
  if (level === "Disabled") return []
  const toFile = isCompliance(level)
  const reason = `audit level ${level}`
  return [
    ...inPublic(draft, "pgaudit", reason),
    ...(toFile ? inPublic(draft, "pgauditlogtofile", reason) : []),
    ...silenced(spec, draft)
  ]
}

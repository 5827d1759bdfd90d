/**
 * The audit block of `postgresql.conf`.
 *
 * Source: `compute_tools/src/config.rs`.
 */

import { conf } from "../postgres/Quote.ts"
import { type AuditLevel, type ComputeSpec, findSetting } from "../spec/ComputeSpec.ts"
import { withLibraries } from "./PreloadList.ts"

/** Compliance levels log to files of their own, which rsyslog ships; the base level logs to the normal log. */
export const isCompliance = (level: AuditLevel): boolean =>
  level === "Hipaa" || level === "Extended" || level === "Full"

const compliance = (level: AuditLevel): ReadonlyArray<string> => [
  `pgaudit.log_parameter=${level === "Full" ? "on" : "off"}`,
  `pgaudit.log=${level === "Full" ? "'all'" : "'all, -misc'"}`,
  "pgaudit.log_catalog=off",
  // Minutes.
  "pgaudit.log_rotation_age=5"
]

export const auditBlock = (spec: ComputeSpec): ReadonlyArray<string> => {
  const level = spec.audit_log_level
  if (level === "Disabled") return []
  const preloaded = findSetting(spec.cluster.settings, "shared_preload_libraries") ?? "neon"
  const libraries = (added: ReadonlyArray<string>) =>
    `shared_preload_libraries=${conf(withLibraries(preloaded, added))}`
  return isCompliance(level)
    ? [
        "# Managed by compute_ctl compliance audit settings: begin",
        ...compliance(level),
        libraries(["pgaudit", "pgauditlogtofile"]),
        "# Managed by compute_ctl compliance audit settings: end"
      ]
    : [
        "# Managed by compute_ctl base audit settings: start",
        "pgaudit.log='ddl,role'",
        "pgaudit.log_catalog=off",
        libraries(["pgaudit"]),
        "# Managed by compute_ctl base audit settings: end"
      ]
}

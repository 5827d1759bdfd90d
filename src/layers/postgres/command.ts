/**
 * How a `postgres` program is run: inside the memory cgroup on a virtual machine, under Postgres' account, with the
 * environment the neon extension reads.
 *
 * Source: `compute_tools/src/compute.rs` (`maybe_cgexec`, `start_postgres`).
 */
import * as Redacted from "effect/Redacted"
import type { ParsedSpec } from "../../domain/spec/ParsedSpec.ts"
import type { ComputeOptions } from "../compute/Options.ts"

export interface Command {
  readonly program: string
  readonly args: ReadonlyArray<string>
}

export const inCgroup = (options: ComputeOptions, args: ReadonlyArray<string>): Command =>
  options.isVm
    ? { program: "cgexec", args: ["-g", `memory:${options.cgroup}`, options.pgbin, ...args] }
    : { program: options.pgbin, args }

/** The token is the one a running Postgres keeps until it ends; it is passed in no other way. */
export const postgresEnvironment = (
  options: ComputeOptions,
  spec: ParsedSpec | null
): Readonly<Record<string, string>> => {
  const token = spec?.storageAuthToken
  const workspace = spec?.spec.databricks_settings?.databricks_workspace_host
  return {
    ...(token != null && { NEON_AUTH_TOKEN: Redacted.value(token) }),
    ...(options.lakebaseMode && {
      DATABRICKS_ENDPOINT_ID: options.instanceId ?? options.computeId.split("/", 1)[0] ?? options.computeId,
      ...(workspace !== undefined && { DATABRICKS_WORKSPACE_HOST: workspace })
    })
  }
}

/**
 * What a running server needs besides: its neon extension forwards DDL to the control plane under the token that we use
 * ourselves, and without it users could create neither roles nor databases.
 *
 * Source: `pgxn/neon/control_plane_connector.c` (`InitDDLHandler`).
 */
export const serverEnvironment = (
  options: ComputeOptions,
  spec: ParsedSpec | null
): Readonly<Record<string, string>> => {
  const token = Redacted.value(options.controlPlaneToken)
  return { ...postgresEnvironment(options, spec), ...(token !== "" && { NEON_CONTROL_PLANE_TOKEN: token }) }
}

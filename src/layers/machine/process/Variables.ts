/**
 * The variables of the environment that mean us: read once, when the process starts. What stands for a flag, and what steers
 * log, traces and failpoints, is given to them from the same reading.
 */
import * as Context from "effect/Context"
import * as Redacted from "effect/Redacted"
import { type Proxies, parseProxies } from "../../../domain/api/Proxies.ts"

export interface VariablesShape {
  readonly proxies: Proxies
  /** `COMPUTE_CTL_TOKEN`: for those who ask a compute. */
  readonly token: Redacted.Redacted<string> | null
  /** `POSTGRES_PATH`: the program `postgres`. */
  readonly postgresPath: string | null
  /** `PGBOUNCER_PASSWORD`, of its admin console in a pod. */
  readonly pgbouncerPassword: Redacted.Redacted<string> | null
  /** `AUDIT_LOGGING_ENDPOINT` and `AUDIT_LOGGING_TLS_ENDPOINT`, `host:port`; empty where there is none. */
  readonly auditEndpoint: string
  readonly auditTlsEndpoint: string
  /** `NEON_COMPUTE_TESTING_BASEBACKUP_RETRIES`: a test's bound of further tries; null for the usual one. */
  readonly basebackupRetries: number | null
}

type Environment = Readonly<Record<string, string | undefined>>

const secret = (text: string | undefined) => (text === undefined ? null : Redacted.make(text))

const count = (text: string | undefined): number | null =>
  text !== undefined && /^\d{1,5}$/.test(text) ? Number(text) : null

export const decodeVariables = (env: Environment): VariablesShape => ({
  proxies: parseProxies(env),
  token: secret(env["COMPUTE_CTL_TOKEN"]),
  postgresPath: env["POSTGRES_PATH"] ?? null,
  pgbouncerPassword: secret(env["PGBOUNCER_PASSWORD"]),
  auditEndpoint: env["AUDIT_LOGGING_ENDPOINT"] ?? "",
  auditTlsEndpoint: env["AUDIT_LOGGING_TLS_ENDPOINT"] ?? "",
  basebackupRetries: count(env["NEON_COMPUTE_TESTING_BASEBACKUP_RETRIES"])
})

/** Where nobody read an environment, none of them is set. */
export const Variables = Context.Reference<VariablesShape>("compute/Variables", {
  defaultValue: () => decodeVariables({})
})

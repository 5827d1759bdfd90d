/**
 * The command line of `compute_ctl` itself. It has no verb; every flag of the original is here, with its checks.
 *
 * Source: `compute_tools/src/bin/compute_ctl.rs` (`Cli`).
 */

import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { withoutSlashes } from "../domain/api/BaseUrl.ts"
import type { ComputeOptions } from "../layers/compute/Options.ts"
import { BUILD_TAG } from "./buildTag.ts"
import { type Flag, type Given, helpOf, parseFlags, required, UsageError, wholeNumber } from "./flags.ts"
import { listing } from "./verbs/words.ts"

const pgbin: Flag = {
  name: "pgbin",
  short: "b",
  value: "PATH",
  help: "The postgres binary; the tools beside it are used too [env: POSTGRES_PATH]",
  default: "postgres"
}
const remoteExtBaseUrl: Flag = {
  name: "remote-ext-base-url",
  short: "r",
  value: "URL",
  help: "Where archives of remote extensions are fetched"
}
const externalHttpPort: Flag = {
  name: "external-http-port",
  value: "PORT",
  help: "API for the control plane and for scraping",
  default: "3080"
}
const internalHttpPort: Flag = {
  name: "internal-http-port",
  value: "PORT",
  help: "API for Postgres and its neighbours",
  default: "3081"
}
const internalHttpHost: Flag = {
  name: "internal-http-host",
  value: "ADDRESS",
  help: "Where the internal API listens; `::` for all addresses",
  default: "127.0.0.1 and ::1"
}
const httpPort: Flag = {
  name: "http-port",
  value: "PORT",
  help: "Lakebase mode: the external API's port; the internal one is the next"
}
const pgdata: Flag = { name: "pgdata", short: "D", value: "DATADIR", help: "Data directory, made anew at every start" }
const connstr: Flag = { name: "connstr", short: "C", value: "URL", help: "Connection URI for our own sessions" }
const privilegedRole: Flag = {
  name: "privileged-role-name",
  value: "ROLE",
  help: "The role that owns what customers may do",
  default: "neon_superuser"
}
const cgroup: Flag = { name: "cgroup", value: "NAME", help: "Memory cgroup of Postgres", default: "neon-postgres" }
const FILECACHE =
  "host=localhost port=5432 dbname=postgres user=cloud_admin sslmode=disable application_name=vm-monitor"
const filecache: Flag = {
  name: "filecache-connstr",
  value: "CONNSTR",
  help: "Connection by which vm-monitor resizes the file cache",
  default: FILECACHE
}
const vmMonitorAddr: Flag = {
  name: "vm-monitor-addr",
  value: "ADDRESS",
  help: "Where vm-monitor listens for the autoscaling agent",
  default: "0.0.0.0:10301"
}
const resizeSwap: Flag = {
  name: "resize-swap-on-bind",
  help: "Resize the swap to the spec's size before Postgres starts"
}
const diskQuota: Flag = {
  name: "set-disk-quota-for-fs",
  value: "MOUNTPOINT",
  help: "File system that gets the spec's quota"
}
const config: Flag = { name: "config", short: "c", value: "FILE", help: "Configuration with keys and, maybe, a spec" }
const specPath: Flag = { name: "spec-path", short: "S", value: "FILE", help: "A bare spec, without keys" }
const computeId: Flag = {
  name: "compute-id",
  short: "i",
  value: "ID",
  help: "Who we are to the control plane; with --spec-path the spec's endpoint id will do"
}
const controlPlane: Flag = {
  name: "control-plane-uri",
  short: "p",
  value: "URI",
  help: "Fetch the configuration from there [env: NEON_CONTROL_PLANE_TOKEN]"
}
const collectInterval: Flag = {
  name: "installed-extensions-collection-interval",
  value: "SECONDS",
  help: "Half the pause between two collections of installed extensions",
  default: "3600"
}
const dev: Flag = { name: "dev", help: "On a signal, leave pgbouncer and local_proxy alone" }
const pgInitTimeout: Flag = {
  name: "pg-init-timeout",
  value: "SECONDS",
  help: "How long Postgres may take to its first connection without getting on; lakebase mode: also the whole start",
  default: "60"
}
const lakebase: Flag = { name: "lakebase-mode", value: "BOOL", help: "Run as a lakebase instance", default: "false" }
const autoscalingFromSql: Flag = {
  name: "autoscaling-metrics-from-sql",
  help: "Answer /autoscaling_metrics by SQL where the neon extension has no socket for it"
}
const logFormat: Flag = { name: "log-format", value: "FORMAT", help: "`text` or `json`", default: "text" }
const help: Flag = { name: "help", short: "h", help: "Print this" }

export const flags: ReadonlyArray<Flag> = [
  pgdata,
  connstr,
  pgbin,
  config,
  specPath,
  controlPlane,
  computeId,
  externalHttpPort,
  internalHttpPort,
  internalHttpHost,
  httpPort,
  remoteExtBaseUrl,
  privilegedRole,
  resizeSwap,
  diskQuota,
  cgroup,
  filecache,
  vmMonitorAddr,
  collectInterval,
  lakebase,
  pgInitTimeout,
  autoscalingFromSql,
  dev,
  logFormat,
  help
]

/** Made when it is asked for. */
export const helpText =
  () => `compute_ctl turns an empty machine into a running Neon compute and supervises its Postgres.

Usage: compute_ctl -D DATADIR -C URL -b PATH -i ID (-c FILE | -p URI)
       compute_ctl -D DATADIR -C URL -b PATH -S SPEC.json
       compute_ctl VERB [--help]

Verbs:
${listing()}

Options:
${helpOf(flags)}

Exit code: Postgres' own; 1 when it was killed, when the start failed or on a signal; 2 for a wrong command line.

Examples:
  compute_ctl dev
  compute_ctl check --config config.json
  compute_ctl -D pgdata -C postgresql://cloud_admin@localhost/postgres -b /usr/lib/postgresql/17/bin/postgres \\
      -i compute-1 -c config.json`

export type Environment = Readonly<Record<string, string | undefined>>

export interface Arguments {
  readonly options: ComputeOptions
  /** `-S`: a bare spec instead of a configuration. */
  readonly specPath: string | null
  /** The compute id was left to the spec. */
  readonly computeIdFromSpec: boolean
}

const invalid = (flag: Flag, value: string, why: string) =>
  Result.fail(new UsageError({ message: `invalid value '${value}' for '--${flag.name}': ${why}` }))

const conflict = (one: Flag, other: Flag) =>
  Result.fail(new UsageError({ message: `the argument '--${one.name}' cannot be used with '--${other.name}'` }))

const baseUrl = (given: Given): Result.Result<string | null, UsageError> => {
  const text = given.get(remoteExtBaseUrl.name)
  if (text === undefined) return Result.succeed(null)
  const url = URL.canParse(text) ? new URL(text) : null
  if (url === null) return invalid(remoteExtBaseUrl, text, "not a URL")
  if (url.search !== "") {
    return invalid(remoteExtBaseUrl, text, "parameters detected in remote extensions base URL")
  }
  return Result.succeed(new URL(`${withoutSlashes(text)}/`).href)
}

const oneOf = <A extends string>(given: Given, flag: Flag, values: ReadonlyArray<A>, preset: A) => {
  const text = given.get(flag.name) ?? preset
  const value = values.find((candidate) => candidate === text)
  return value === undefined ? invalid(flag, text, `possible values: ${values.join(", ")}`) : Result.succeed(value)
}

const ports = (given: Given, lakebaseMode: boolean) =>
  Result.gen(function* () {
    const external = yield* wholeNumber(given, externalHttpPort, 65_535)
    const internal = yield* wholeNumber(given, internalHttpPort, 65_535)
    const both = yield* wholeNumber(given, httpPort, 65_534)
    if (both !== null && external !== null) return yield* conflict(httpPort, externalHttpPort)
    if (both !== null && internal !== null) return yield* conflict(httpPort, internalHttpPort)
    return lakebaseMode && both !== null
      ? { externalHttpPort: both, internalHttpPort: both + 1 }
      : { externalHttpPort: external ?? 3080, internalHttpPort: internal ?? 3081 }
  })

const source = (given: Given) => {
  const chosen = [config, controlPlane, specPath].filter((flag) => given.has(flag.name))
  const [first, second] = chosen
  if (first === undefined) {
    return Result.fail(
      new UsageError({
        message: "no configuration given",
        hint: "use --config FILE, --control-plane-uri URI or --spec-path FILE"
      })
    )
  }
  return second === undefined ? Result.succeed(undefined) : conflict(first, second)
}

/** `env` is the process's environment; where a flag has a variable, the flag wins. */
export const parseArguments = (argv: ReadonlyArray<string>, env: Environment): Result.Result<Arguments, UsageError> =>
  Result.gen(function* () {
    const given = yield* parseFlags(flags, argv)
    const dataDirectory = yield* required(given, pgdata)
    const connection = yield* required(given, connstr)
    const path = given.get(specPath.name) ?? null
    const id = path === null ? yield* required(given, computeId) : given.get(computeId.name)
    const binary = given.get(pgbin.name) ?? env.POSTGRES_PATH ?? "postgres"
    if (!binary.endsWith("postgres")) return yield* invalid(pgbin, binary, "the path must end in `postgres`")
    const role = given.get(privilegedRole.name) ?? "neon_superuser"
    if (!/^[a-z_]+$/.test(role)) {
      return yield* invalid(
        privilegedRole,
        role,
        "--privileged-role-name can only contain lowercase letters and underscores"
      )
    }
    const lakebaseMode = (yield* oneOf(given, lakebase, ["true", "false"], "false")) === "true"
    const servers = yield* ports(given, lakebaseMode)
    const remote = yield* baseUrl(given)
    // Without a pause it would do nothing else than visit all databases.
    const interval = yield* wholeNumber(given, collectInterval, Number.MAX_SAFE_INTEGER, 1)
    const initTimeout = yield* wholeNumber(given, pgInitTimeout, Number.MAX_SAFE_INTEGER)
    const format = yield* oneOf(given, logFormat, ["text", "json"], "text")
    yield* source(given)
    const host = given.get(internalHttpHost.name)
    return {
      specPath: path,
      computeIdFromSpec: id === undefined,
      options: {
        ...servers,
        pgbin: binary,
        pgdata: dataDirectory,
        connstr: connection,
        computeId: id ?? "compute",
        configPath: given.get(config.name) ?? null,
        controlPlaneUri: given.get(controlPlane.name) ?? null,
        controlPlaneToken: Redacted.make(env.NEON_CONTROL_PLANE_TOKEN ?? ""),
        remoteExtBaseUrl: remote,
        internalHttpHosts: host === undefined ? ["127.0.0.1", "::1"] : [host],
        privilegedRole: role,
        cgroup: given.get(cgroup.name) ?? "neon-postgres",
        filecacheConnstr: given.get(filecache.name) ?? FILECACHE,
        vmMonitorAddr: given.get(vmMonitorAddr.name) ?? "0.0.0.0:10301",
        resizeSwapOnBind: given.has(resizeSwap.name),
        setDiskQuotaForFs: given.get(diskQuota.name) ?? null,
        installedExtensionsInterval: interval ?? 3600,
        autoscalingMetricsFromSql: given.has(autoscalingFromSql.name),
        dev: given.has(dev.name),
        lakebaseMode,
        pgInitTimeout: initTimeout ?? 60,
        logFormat: format,
        isVm: env.AUTOSCALING !== undefined,
        instanceId: env.INSTANCE_ID ?? null,
        buildTag: BUILD_TAG
      }
    }
  })

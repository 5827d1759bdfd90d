/**
 * A pageserver by the Postgres protocol.
 *
 * Source: `compute_tools/src/compute.rs` (`try_get_basebackup_libpq`), `compute_tools/src/lsn_lease.rs`.
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as ConnectionString from "../../../domain/postgres/ConnectionString.ts"
import { modeName } from "../../../domain/spec/ComputeSpec.ts"
import { formatTenantShardId } from "../../../domain/spec/Ids.ts"
import { format, zero } from "../../../domain/spec/Lsn.ts"
import type { ParsedSpec } from "../../../domain/spec/ParsedSpec.ts"
import type { PageserverEndpoint } from "../../../domain/storage/PageserverEndpoint.ts"
import { type Healing, healingOfError } from "../../../domain/storage/PageserverFault.ts"
import type { WireFailed } from "../../sql/wire/errors.ts"
import { open } from "../../sql/wire/Session.ts"
import { PageserverFailed } from "./errors.ts"
import { limits, type PageserverSession } from "./PageserverSession.ts"

/** The user a server that ignores users is told. */
const USER = "no_user"

const toPageserverFailed = (failure: WireFailed): PageserverFailed =>
  new PageserverFailed({
    message: failure.message,
    code: failure.sqlstate,
    healing: healingOf(failure)
  })

const textOf = ({ message, severity }: WireFailed): string => message.slice(`db error: ${severity}: `.length)

/** A token that the spec has not got comes by no retry, and a name of a host is written down as it is. */
const UNUSABLE = /^error connecting to server: invalid/

const healingOf = (failure: WireFailed): Healing =>
  failure.kind === "server"
    ? healingOfError(failure.sqlstate ?? "", textOf(failure))
    : failure.kind === "connect" && UNUSABLE.test(failure.message)
      ? "never"
      : "passing"

/** All that the extended protocol tells of it; a simple query gets the chain of causes. */
const isBehindCutoff = (failure: WireFailed): boolean =>
  failure.kind === "server" && textOf(failure) === "invalid basebackup lsn"

const basebackupCommand = (spec: ParsedSpec, lsn: bigint, text: string): string =>
  [
    "basebackup",
    spec.tenantId,
    spec.timelineId,
    ...(lsn === zero ? [] : [text]),
    "--gzip",
    ...(spec.spec.mode === "Primary" ? [] : ["--replica"])
  ].join(" ")

/** For leases the server is told nothing but the user. */
const parameters = (spec: ParsedSpec, to: ConnectionString.ConnectionString, purpose: "basebackup" | "lease") => {
  const all: Array<readonly [string, string]> = [
    ["client_encoding", "UTF8"],
    ["user", to.user ?? USER]
  ]
  if (to.database !== null) all.push(["database", to.database])
  const options = purpose === "basebackup" ? `-c neon.compute_mode=${modeName(spec.spec.mode)}` : to.options
  if (options !== null) all.push(["options", options])
  const name = purpose === "basebackup" ? "compute_ctl" : to.applicationName
  if (name !== null) all.push(["application_name", name])
  return all
}

const validUntil = (value: string | null | undefined): Effect.Effect<number | null, PageserverFailed> => {
  if (value === null) return Effect.succeed(null)
  return value !== undefined && /^\d{1,16}$/.test(value)
    ? Effect.succeed(Number(value))
    : Effect.fail(new PageserverFailed({ message: "Failed to parse lease expiration", code: null, healing: "passing" }))
}

export const openLibpq = (
  spec: ParsedSpec,
  endpoint: PageserverEndpoint,
  purpose: "basebackup" | "lease"
): Effect.Effect<PageserverSession, PageserverFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const connection = yield* Effect.fromResult(
      Result.mapError(
        ConnectionString.parse(endpoint.url),
        (reason) =>
          new PageserverFailed({ message: `invalid connection string: ${reason}`, code: null, healing: "never" })
      )
    )
    const own = connection.password === null ? null : Redacted.make(connection.password)
    const session = yield* Effect.mapError(
      open({
        connection,
        parameters: parameters(spec, connection, purpose),
        password: spec.storageAuthToken ?? own,
        connectTimeout: limits.connect
      }),
      toPageserverFailed
    )
    const tenantShard = formatTenantShardId(spec.tenantId, endpoint.shard)
    return {
      connectMicros: session.connectMicros,
      isOpen: session.isOpen,
      basebackup: (lsn) =>
        // By Parse, Bind and Execute a pageserver tells what it did not find, and why a token does not do.
        Effect.catchIf(
          session.copyOut(basebackupCommand(spec, lsn, format(lsn)), limits.basebackupStall, "extended"),
          isBehindCutoff,
          () => session.copyOut(basebackupCommand(spec, lsn, format(lsn)), limits.basebackupStall)
        ).pipe(Effect.map(Stream.mapError(toPageserverFailed)), Effect.mapError(toPageserverFailed)),
      leaseLsn: (lsn) =>
        session.query(`lease lsn ${tenantShard} ${spec.timelineId} ${format(lsn)} `, limits.lease).pipe(
          Effect.mapError(toPageserverFailed),
          Effect.flatMap((rows) => validUntil(rows[0]?.[0]))
        )
    }
  })

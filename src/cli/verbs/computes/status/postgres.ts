/**
 * What Postgres itself says: of a session to it, or of `GET /postgres`.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { decodeJson } from "../../../../domain/json/decode/Decode.ts"
import * as ConnectionString from "../../../../domain/postgres/ConnectionString.ts"
import { FactsReport, factsReport } from "../../../../domain/postgres/Facts.ts"
import type { Refused, Target, Unreachable } from "../../../../http/client.ts"
import { facts } from "../../../../layers/postgres/facts.ts"
import { Sql } from "../../../../layers/sql/Sql.ts"
import { bytes } from "../../../terminal/duration.ts"
import { harmless } from "../../../terminal/harmless.ts"
import type { Paint } from "../../../terminal/Paint.ts"
import { row, type Section } from "../../../terminal/sections.ts"
import { onOneLine, table } from "../../../terminal/table.ts"
import { ask } from "../ask.ts"

export interface Asked {
  /** `host:port` of the connection string; null where the compute was asked. */
  readonly place: string | null
  readonly found: FactsReport | null
  /** Why it could not be asked. */
  readonly error: string | null
}

/** `host:port` of the first address. */
export const placeOf = (connstr: string): string =>
  Result.match(ConnectionString.parse(connstr), {
    onFailure: () => "?",
    onSuccess: ({ addresses: [first] }) => (first === undefined ? "?" : `${first.host}:${first.port}`)
  })

/** Such a session does not count as use. */
export const askPostgres = (connstr: string): Effect.Effect<Asked> =>
  Effect.gen(function* () {
    const sql = yield* Sql
    const session = yield* sql.session({ applicationName: "compute_ctl:status", purpose: "question" })
    return yield* facts(session)
  }).pipe(
    Effect.scoped,
    Effect.provide(Sql.layerTo(connstr)),
    Effect.timeoutOrElse({ duration: "5 seconds", orElse: () => Effect.fail({ message: "no answer in time" }) }),
    Effect.match({
      onFailure: ({ message }) => ({ place: placeOf(connstr), found: null, error: message }),
      onSuccess: (found) => ({
        place: placeOf(connstr),
        found: found === null ? null : factsReport(found),
        error: null
      })
    })
  )

/** A compute that is slow to answer is shown without it. */
const PATIENCE = "3 seconds"

/** The original and older builds do not know the route; without a Postgres that runs there is nothing to ask. */
const NOT_TO_BE_HAD: ReadonlySet<number> = new Set([404, 412])

const whyNot = (error: Unreachable | Refused): string => (error._tag === "Refused" ? error.error : error.reason)

/** Null where it is not to be had. */
export const askCompute = (target: Target): Effect.Effect<Asked | null> =>
  ask(target, "/postgres", { limit: PATIENCE }).pipe(
    Effect.flatMap((text) => Effect.fromResult(decodeJson(FactsReport, text))),
    Effect.match({
      onFailure: (error) => {
        if (!("_tag" in error)) return null
        if (error._tag === "Refused" && NOT_TO_BE_HAD.has(error.status)) return null
        return { place: null, found: null, error: whyNot(error) }
      },
      onSuccess: (found) => ({ place: null, found, error: null })
    })
  )

const known = (name: string, value: string | null): ReadonlyArray<string> =>
  value === null || value === "" ? [] : row(name, harmless(value))

export const factLines = (asked: Asked | null, paint: Paint): ReadonlyArray<string> => {
  if (asked === null) return []
  const { error, found, place } = asked
  if (found === null) return [...known("place", place), ...row("asked", paint.bad(harmless(error ?? "no answer")))]
  const port = found.settings.find(({ name }) => name === "port")?.value ?? null
  return [
    ...(place === null ? known("port", port) : known("place", place)),
    ...row("version", found.version),
    ...row("mode", found.mode ?? (found.is_standby ? "replica" : "primary")),
    ...known("endpoint", found.endpoint),
    ...known("branch", found.branch),
    ...row(
      "LSN",
      `${found.lsn ?? "unknown"} (${found.is_standby ? "replayed" : "flushed"}), WAL timeline ${found.wal_timeline}`
    ),
    ...(found.pending_restart === null ? [] : row("restart", paint.warn(`waits for one: ${found.pending_restart}`))),
    ...known("certificate", found.certificate_ends === null ? null : `until ${found.certificate_ends}`)
  ]
}

/** The running configuration: what something else than a default has set. */
export const settings = ({ settings }: FactsReport, paint: Paint, room: number | null): Section => ({
  title: "Settings in force",
  lines: table(
    settings.map(({ file, line, name, source, value }) => [
      harmless(name),
      onOneLine(value ?? ""),
      file === null ? source : `${path.basename(file)}${line === null ? "" : `:${line}`}`
    ]),
    room,
    paint,
    ["name", "value", "where"]
  )
})

const size = (behind: number | null): string => (behind === null ? "unknown" : `${bytes(Math.max(0, behind))} behind`)

export const replication = (
  { slots, standbys }: FactsReport,
  paint: Paint,
  room: number | null
): ReadonlyArray<Section> => [
  {
    title: "Replication slots",
    lines: table(
      slots.map(({ active, behind, kind, name, wal }) => [
        harmless(name),
        kind,
        active ? paint.good("active") : paint.warn("inactive"),
        size(behind),
        wal === null ? "" : wal === "lost" ? paint.bad("WAL lost") : `WAL ${wal}`
      ]),
      room,
      paint
    )
  },
  {
    title: "Followed by",
    lines: table(
      standbys.map(({ behind, name, state }) => [harmless(name ?? ""), state ?? "", size(behind)]),
      room,
      paint
    )
  }
]

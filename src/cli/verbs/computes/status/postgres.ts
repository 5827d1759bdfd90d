/**
 * What Postgres itself says, for `status --connstr`: the API tells a control plane what it needs, an operator wants more.
 */
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { isSecretName, redact } from "../../../../domain/observe/Redaction.ts"
import * as ConnectionString from "../../../../domain/postgres/ConnectionString.ts"
import { type Facts, factsReport } from "../../../../domain/postgres/Facts.ts"
import { facts } from "../../../../layers/postgres/facts.ts"
import { Sql } from "../../../../layers/sql/Sql.ts"
import { bytes } from "../../../terminal/duration.ts"
import type { Paint } from "../../../terminal/Paint.ts"
import { row, type Section } from "../../../terminal/sections.ts"
import { harmless, onOneLine, table } from "../../../terminal/table.ts"

const HIDDEN = "(hidden)"

export interface Asked {
  /** `host:port` of the connection string. */
  readonly place: string
  readonly found: Facts | null
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
      onSuccess: (found) => ({ place: placeOf(connstr), found, error: null })
    })
  )

const known = (name: string, value: string | null): ReadonlyArray<string> =>
  value === null || value === "" ? [] : row(name, harmless(value))

export const factLines = (asked: Asked | null, paint: Paint): ReadonlyArray<string> => {
  if (asked === null) return []
  const { error, found, place } = asked
  if (found === null) return [...row("place", place), ...row("asked", paint.bad(harmless(error ?? "no answer")))]
  return [
    ...row("place", place),
    ...row("version", found.version),
    ...row("mode", found.mode ?? (found.isStandby ? "replica" : "primary")),
    ...known("endpoint", found.endpoint),
    ...known("branch", found.branch),
    ...row(
      "LSN",
      `${found.lsn ?? "unknown"} (${found.isStandby ? "replayed" : "flushed"}), WAL timeline ${found.walTimeline}`
    ),
    ...(found.pendingRestart === null ? [] : row("restart", paint.warn(`waits for one: ${found.pendingRestart}`))),
    ...known("certificate", found.certificateEnds === null ? null : `until ${found.certificateEnds}`)
  ]
}

/** The running configuration: what something else than a default has set. */
export const settings = ({ settings }: Facts, paint: Paint, room: number | null): Section => ({
  title: "Settings in force",
  lines: table(
    settings.map(({ file, line, name, source, value }) => [
      harmless(name),
      isSecretName(name) ? HIDDEN : onOneLine(redact(value ?? "")),
      file === null ? source : `${path.basename(file)}${line === null ? "" : `:${line}`}`
    ]),
    room,
    paint,
    ["name", "value", "where"]
  )
})

/** For programs. */
export const asJson = ({ error, found, place }: Asked) => ({
  place,
  error,
  found: found === null ? null : factsReport(found)
})

const size = (behind: number | null): string => (behind === null ? "unknown" : `${bytes(Math.max(0, behind))} behind`)

export const replication = ({ slots, standbys }: Facts, paint: Paint, room: number | null): ReadonlyArray<Section> => [
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

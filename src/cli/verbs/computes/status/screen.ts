/**
 * The answer of `/status/detail`, or of `/status` alone, and what other routes add to it, for people.
 */
import { kebab } from "../../../../domain/status/ComputeStatus.ts"
import type { Status, StatusDetail } from "../../../../http/api/shapes/StatusDetail.ts"
import { bytes, duration } from "../../../terminal/duration.ts"
import { harmless } from "../../../terminal/harmless.ts"
import { byState, type Paint, plain } from "../../../terminal/Paint.ts"
import { row, type Section, sections } from "../../../terminal/sections.ts"
import { onOneLine, table } from "../../../terminal/table.ts"
import type { Extras } from "./extras.ts"
import { type Asked, factLines, settings as inForce, replication } from "./postgres.ts"

export interface Shown {
  readonly status: Status | StatusDetail
  readonly extras: Extras
  /** Of Postgres itself, where it was asked. */
  readonly facts?: Asked | null
  /** Epoch milliseconds, of this machine. */
  readonly now: number
}

export interface Screen {
  readonly paint?: Paint
  /** Characters of a line; null where it does not matter. */
  readonly room?: number | null
  /** The running configuration as well. */
  readonly withSettings?: boolean
}

const INDENT = 2

const isDetail = (status: Status | StatusDetail): status is StatusDetail => "waits" in status

/** Times of a detail are compared with the compute's own clock, others with this machine's. */
const clockOf = ({ now, status }: Shown): number => (isDetail(status) ? Date.parse(status.now) : now)

const compute = (shown: Shown, paint: Paint): Section => {
  const { extras, status } = shown
  const clock = clockOf(shown)
  const ago = (time: string) => `${duration(clock - Date.parse(time))} ago (${time})`
  const since = isDetail(status) ? `, since ${ago(status.since)}` : ""
  return {
    title: isDetail(status) ? `Compute ${status.compute_id}` : "Compute",
    lines: [
      ...row("status", `${byState(paint, kebab(status.status))}${since}`),
      ...row("started", ago(status.start_time)),
      ...row("last active", status.last_active === null ? "never" : ago(status.last_active)),
      ...(extras.activity === null ? [] : row("in use", extras.activity)),
      ...row("tenant", status.tenant ?? "none"),
      ...row("timeline", status.timeline ?? "none"),
      ...(extras.build === null ? [] : row("build", extras.build))
    ]
  }
}

const lag = ({ behind_bytes, behind_seconds }: NonNullable<Extras["standby"]>): string => {
  const size = behind_bytes === null ? "unknown" : bytes(behind_bytes)
  const time = behind_seconds === null ? "unknown" : `${duration(behind_seconds * 1000)} ago`
  return `${size}, last replayed transaction ${time}`
}

const postgres = ({ extras: { downtime, standby }, facts, status }: Shown, paint: Paint): Section => ({
  title: "Postgres",
  lines: [
    ...(isDetail(status) ? row("server", status.postgres_runs ? paint.good("runs") : paint.warn("does not run")) : []),
    ...(downtime === null ? [] : row("downtime", paint.bad(`no answer for ${duration(downtime)}`))),
    ...(standby === null
      ? []
      : [
          ...row("received", standby.received_lsn ?? "unknown"),
          ...row("replayed", standby.replayed_lsn ?? "unknown"),
          ...row("lag", lag(standby))
        ]),
    ...factLines(facts ?? null, paint)
  ]
})

const waits = ({ now, waits }: StatusDetail, paint: Paint, room: number | null): Section => ({
  title: "Waits for",
  lines: table(
    waits.map(({ deadline, detail, name, since }) => [
      name,
      duration(Date.parse(now) - Date.parse(since)),
      deadline === null ? "no deadline" : duration(Date.parse(deadline) - Date.parse(now)),
      onOneLine(detail ?? "")
    ]),
    room,
    paint,
    ["what", "for", "left", ""]
  )
})

const services = ({ services }: StatusDetail, paint: Paint, room: number | null): Section => {
  const isWell = ({ last_error, state }: (typeof services)[number]) =>
    (state === "running" || state === "ended") && last_error === null
  const well = (wanted: string) =>
    services.filter((service) => isWell(service) && service.state === wanted).map(({ name }) => name)
  const others = services.filter((service) => !isWell(service))
  return {
    title: "Services",
    lines: [
      ...["running", "ended"].flatMap((state) => (well(state).length === 0 ? [] : row(state, well(state).join(", ")))),
      ...table(
        others.map(({ last_error, name, restarts, state }) => [
          name,
          byState(paint, state),
          restarts === 0 ? "" : `${restarts} restarts`,
          onOneLine(last_error ?? "")
        ]),
        room,
        paint
      )
    ]
  }
}

const settings = ({ refused_settings }: StatusDetail, paint: Paint, room: number | null): Section => ({
  title: "Settings not in force",
  lines: table(
    (refused_settings ?? []).map(({ file, line, name, reason, value, waits_for_restart }) => [
      name ?? "?",
      onOneLine(value ?? ""),
      waits_for_restart ? paint.warn("waits for a restart") : paint.bad(onOneLine(reason)),
      file === null ? "" : `${file}${line === null ? "" : `:${line}`}`
    ]),
    room,
    paint,
    ["name", "value", "why", "where"]
  )
})

const databases = ({ failed_databases }: StatusDetail, paint: Paint, room: number | null): Section => ({
  title: "Databases that the last apply could not finish",
  lines: table(
    (failed_databases ?? []).map(({ database, error, object }) => [
      database === null ? "(cluster)" : JSON.stringify(database),
      onOneLine(object),
      paint.bad(onOneLine(error))
    ]),
    room,
    paint
  )
})

const keys = ({ keys }: StatusDetail, paint: Paint, room: number | null): Section => ({
  title: "Keys of the API",
  lines: table(
    (keys ?? []).map(({ counts, kid, since }) => [harmless(kid), counts, `since ${since}`]),
    room,
    paint
  )
})

export const statusText = (shown: Shown, { paint = plain, room = null, withSettings = false }: Screen = {}): string => {
  const { status } = shown
  const found = shown.facts?.found ?? null
  const inner = room === null ? null : room - INDENT
  return sections(
    [
      compute(shown, paint),
      postgres(shown, paint),
      ...(found === null ? [] : replication(found, paint, inner)),
      ...(isDetail(status)
        ? [waits, services, settings, databases, keys].map((section) => section(status, paint, inner))
        : []),
      ...(found === null || !withSettings ? [] : [inForce(found, paint, inner)]),
      { title: paint.bad("Error"), lines: status.error === null ? [] : status.error.split("\n").map(harmless) }
    ],
    paint,
    room
  )
}

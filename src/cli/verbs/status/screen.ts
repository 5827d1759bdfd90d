/**
 * The answer of `/status/detail`, or of `/status` alone, for people.
 */
import { describeRefused } from "../../../domain/postgres/RefusedSetting.ts"
import { kebab } from "../../../domain/status/ComputeStatus.ts"
import type { Status, StatusDetail } from "../../../http/api/StatusDetail.ts"

/** `45 s`, `3 min 12 s`, `2 h 5 min`, `3 d 4 h` */
export const duration = (milliseconds: number): string => {
  const seconds = Math.max(0, Math.round(milliseconds / 1000))
  const parts = [
    [Math.floor(seconds / 86_400), "d"],
    [Math.floor(seconds / 3600) % 24, "h"],
    [Math.floor(seconds / 60) % 60, "min"],
    [seconds % 60, "s"]
  ] as const
  const first = parts.findIndex(([count]) => count > 0)
  if (first < 0) return "0 s"
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(" ")
}

const row = (name: string, value: string) => `${name.padEnd(12)}${value}`.trimEnd()

const list = (name: string, lines: ReadonlyArray<string>): ReadonlyArray<string> =>
  lines.length === 0 ? [row(name, "none")] : lines.map((line, index) => row(index === 0 ? name : "", line))

const waitLines = ({ now, waits }: StatusDetail): ReadonlyArray<string> =>
  waits.map(({ deadline, detail, name, since }) => {
    const left = deadline === null ? "no deadline" : `${duration(Date.parse(deadline) - Date.parse(now))} left`
    const more = detail ? `, ${detail}` : ""
    return `${name}: for ${duration(Date.parse(now) - Date.parse(since))}, ${left}${more}`
  })

const serviceLines = ({ services }: StatusDetail): ReadonlyArray<string> => {
  const healthy = services.filter(({ last_error, state }) => state === "running" && last_error === null)
  const others = services.filter((service) => !healthy.includes(service))
  return [
    ...(healthy.length > 0 ? [`running: ${healthy.map(({ name }) => name).join(", ")}`] : []),
    ...others.map(({ last_error, name, restarts, state }) => {
      const error = last_error === null ? "" : `: ${last_error}`
      return `${name}: ${state}${restarts > 0 ? `, restarted ${restarts} times` : ""}${error}`
    })
  ]
}

const databaseLines = ({ failed_databases }: StatusDetail): ReadonlyArray<string> =>
  (failed_databases ?? []).map(({ database, object, error }) => {
    const where = database === null ? "" : `${JSON.stringify(database)}: `
    return `failed: ${where}${object}: ${error.replaceAll("\n", " ")}`
  })

const settingLines = ({ refused_settings }: StatusDetail): ReadonlyArray<string> =>
  (refused_settings ?? []).map(
    (setting) => `${setting.waits_for_restart ? "waits" : "refused"}: ${describeRefused(setting)}`
  )

const isDetail = (status: Status | StatusDetail): status is StatusDetail => "waits" in status

/** Times of a detail are compared with the compute's own clock, others with `now`, epoch milliseconds. */
export const statusText = (status: Status | StatusDetail, now: number): string => {
  const clock = isDetail(status) ? Date.parse(status.now) : now
  const ago = (time: string) => `${duration(clock - Date.parse(time))} ago (${time})`
  const since = isDetail(status) ? `, since ${ago(status.since)}` : ""
  return [
    row("status", `${kebab(status.status)}${since}`),
    ...(isDetail(status) ? [row("compute", status.compute_id)] : []),
    row("tenant", status.tenant ?? "none"),
    row("timeline", status.timeline ?? "none"),
    row("started", ago(status.start_time)),
    row("last active", status.last_active === null ? "never" : ago(status.last_active)),
    ...(isDetail(status)
      ? [
          row("postgres", status.postgres_runs ? "runs" : "does not run"),
          ...list("waits for", waitLines(status)),
          ...list("services", serviceLines(status)),
          ...((status.failed_databases ?? []).length === 0 ? [] : list("databases", databaseLines(status))),
          ...((status.refused_settings ?? []).length === 0 ? [] : list("settings", settingLines(status)))
        ]
      : []),
    ...(status.error === null ? [] : list("error", status.error.split("\n")))
  ].join("\n")
}

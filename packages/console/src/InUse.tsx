/**
 * Why the compute counts as in use, and since when; the settings in force; the cache.
 */
import type { Activity, Apply, Known, StatusDetail } from "./shapes.ts"
import { clock, lasting, size, spoken } from "./words.ts"

export const InUse = ({ activity, now }: { readonly activity: Activity | null; readonly now: number }) => (
  <section aria-labelledby="activity">
    <h2 id="activity">Activity</h2>
    {activity === null || activity.active === null ? (
      <p>Not known: {activity === null ? "the compute does not say" : `the monitor is ${activity.monitor}`}.</p>
    ) : (
      <p>
        {activity.active ? "In use" : "Not in use"}
        {activity.active_since !== null && ` for ${lasting(now - Date.parse(activity.active_since))}`}
        {activity.last_active !== null && `; last active ${lasting(now - Date.parse(activity.last_active))} ago`}.
      </p>
    )}
    <ul>
      {activity?.reasons.map(({ count, detail, kind, since }) => (
        <li key={`${kind} ${detail}`}>
          {count} {spoken(kind)}
          {detail !== null && ` (${detail})`}
          {since !== null && `, since ${clock(since)}`}
        </li>
      ))}
    </ul>
    {activity?.active === false && (
      <p>A control plane that stops what is idle counts from the last activity; a stop asks for it by if_idle.</p>
    )}
  </section>
)

export const Settings = ({ apply, detail }: { readonly apply: Apply | null; readonly detail: StatusDetail }) => {
  const all = detail.refused_settings ?? []
  const waiting = [
    ...all.filter(({ waits_for_restart }) => waits_for_restart).map(({ name }) => name ?? "a setting"),
    ...(apply?.reconfiguration?.pending_restart ?? [])
  ]
  const refused = all.filter(({ waits_for_restart }) => !waits_for_restart)
  return (
    <section aria-labelledby="settings">
      <h2 id="settings">Settings</h2>
      {refused.length === 0 && waiting.length === 0 && <p>All that was configured is in force.</p>}
      {waiting.length > 0 && <p>Waiting for a restart: {[...new Set(waiting)].join(", ")}.</p>}
      <ul>
        {refused.map(({ file, line, name, reason, value }) => (
          <li class="fault" key={`${name} ${line}`}>
            Refused: {name ?? "a line"} = {value ?? ""}, {reason}
            {file !== null && ` (${file}:${line})`}
          </li>
        ))}
      </ul>
    </section>
  )
}

const members = (state: Readonly<Record<string, unknown>> | null): string =>
  state === null
    ? "not known"
    : Object.entries(state)
        .map(([name, value]) => (name === "status" ? spoken(String(value)) : `${spoken(name)} ${value}`))
        .join(", ")

export const Cache = ({ known: { offload, prewarm } }: { readonly known: Known }) => (
  <section aria-labelledby="cache">
    <h2 id="cache">Local file cache</h2>
    <dl>
      <dt>Prewarm</dt>
      <dd>{members(prewarm)}</dd>
      <dt>Offload</dt>
      <dd>{members(offload)}</dd>
    </dl>
    {prewarm?.status === "completed" && "total" in prewarm && prewarm.total > 0 && (
      <progress max={prewarm.total} value={prewarm.prewarmed + prewarm.skipped} aria-label="pages prewarmed" />
    )}
  </section>
)

export const Storage = ({ known: { detail, ready, startup } }: { readonly known: Known }) => (
  <section aria-labelledby="storage">
    <h2 id="storage">Storage</h2>
    <dl>
      <dt>Tenant</dt>
      <dd>{detail.tenant ?? "none"}</dd>
      <dt>Timeline</dt>
      <dd>{detail.timeline ?? "none"}</dd>
      {startup !== null && (
        <>
          <dt>Safekeepers</dt>
          <dd>
            asked in {lasting(startup.sync_sk_check_ms)}
            {startup.sync_safekeepers_ms > 0 && `, then synced in ${lasting(startup.sync_safekeepers_ms)}`}
          </dd>
          <dt>Basebackup</dt>
          <dd>
            {startup.basebackup_bytes === 0
              ? "none yet"
              : `${size(startup.basebackup_bytes)} in ${lasting(startup.basebackup_ms)}`}
          </dd>
        </>
      )}
      <dt>WAL</dt>
      <dd>
        {ready === null
          ? "Postgres does not accept connections"
          : ready.standby === null
            ? "a primary: it writes"
            : `a standby: received ${ready.standby.received_lsn ?? "nothing"}, replayed ${ready.standby.replayed_lsn ?? "nothing"}`}
      </dd>
      {ready?.standby != null && (
        <>
          <dt>Behind</dt>
          <dd>
            {ready.standby.behind_bytes === null ? "unknown" : size(ready.standby.behind_bytes)}
            {ready.standby.behind_seconds !== null && `, ${lasting(ready.standby.behind_seconds * 1000)}`}
          </dd>
        </>
      )}
    </dl>
  </section>
)

/**
 * Why the compute counts as in use, and since when; the settings in force; storage and the cache.
 */
import { Facts, Listed, Long, Room } from "./parts.tsx"
import type { Activity, Apply, Known, StatusDetail } from "./shapes.ts"
import { clock, counted, lasting, number, running, size, spoken } from "./words.ts"

export const InUse = ({ activity, now }: { readonly activity: Activity | null; readonly now: number }) => (
  <Room
    id="activity"
    title="Activity"
    aside={activity === null || activity.active === null ? "not known" : activity.active ? "in use" : "idle"}
  >
    {activity === null || activity.active === null ? (
      <p class="soft">
        {activity === null ? "The compute does not say." : `Not known: the monitor is ${activity.monitor}.`}
      </p>
    ) : (
      <Facts
        all={[
          activity.active_since === null ? null : ["In use for", running(now - Date.parse(activity.active_since))],
          [
            "Last active",
            activity.last_active === null ? "never" : `${running(now - Date.parse(activity.last_active))} ago`
          ],
          ["Looked at", activity.checked_at === null ? "never" : clock(activity.checked_at)]
        ]}
      />
    )}
    {(activity?.reasons.length ?? 0) > 0 && (
      <>
        <h3>Because of</h3>
        <Listed all={activity?.reasons ?? []} kind="facts">
          {({ count, detail, kind, since }) => (
            <li key={`${kind} ${detail}`}>
              {number(count)} {spoken(kind)}
              {detail !== null && ` (${detail})`}
              {since !== null && <span class="soft">, since {clock(since)}</span>}
            </li>
          )}
        </Listed>
      </>
    )}
    <p class="soft">
      {activity?.active === true
        ? "As long as that lasts, a control plane that stops what is idle leaves it alone."
        : "A control plane that stops what is idle counts from the last activity on."}
    </p>
  </Room>
)

const settingsOf = (apply: Apply | null, detail: StatusDetail) => {
  const all = detail.refused_settings ?? []
  const waiting = [
    ...all.filter(({ waits_for_restart }) => waits_for_restart).map(({ name }) => name ?? "a setting"),
    ...(apply?.reconfiguration?.pending_restart ?? [])
  ]
  return { refused: all.filter(({ waits_for_restart }) => !waits_for_restart), waiting: [...new Set(waiting)] }
}

/** How many are not in force. */
export const settingsInShort = (apply: Apply | null, detail: StatusDetail): string | null => {
  const { refused, waiting } = settingsOf(apply, detail)
  const parts = [
    ...(refused.length > 0 ? [`${number(refused.length)} refused`] : []),
    ...(waiting.length > 0 ? [`${number(waiting.length)} waiting for a restart`] : [])
  ]
  return parts.length === 0 ? null : parts.join(", ")
}

const InForce = ({ all }: { readonly all: NonNullable<Known["postgres"]>["settings"] }) => (
  <details>
    <summary>
      <span>
        In force<span class="soft">, {counted(all.length, "setting")} beside the defaults</span>
      </span>
    </summary>
    <Listed all={all} kind="changes">
      {({ file, line, name, source, value }) => (
        <li key={name} title={file === null ? source : `${file}${line === null ? "" : `, line ${line}`}`}>
          <code>{name}</code>
          <code>{value ?? ""}</code>
        </li>
      )}
    </Listed>
  </details>
)

export const Settings = ({ known: { apply, detail, postgres } }: { readonly known: Known }) => {
  const { refused, waiting } = settingsOf(apply, detail)
  return (
    <Room id="settings" title="Settings" aside={settingsInShort(apply, detail) ?? "in force"}>
      {refused.length === 0 && waiting.length === 0 && <p class="soft">All that was configured is in force.</p>}
      {waiting.length > 0 && (
        <>
          <h3>Waiting for a restart of Postgres</h3>
          <Listed all={waiting} kind="facts">
            {(name) => (
              <li key={name}>
                <code>{name}</code>
              </li>
            )}
          </Listed>
        </>
      )}
      {refused.length > 0 && (
        <>
          <h3>Refused by Postgres</h3>
          <Listed all={refused} kind="steps">
            {({ file, line, name, reason, value }) => (
              <li class="step" key={`${name} ${line}`}>
                <code>
                  {name ?? "a line"}
                  {value !== null && ` = ${value}`}
                </code>
                <p class="fault">
                  <Long text={reason} />
                </p>
                {file !== null && (
                  <p class="soft">
                    {file}
                    {line !== null && `, line ${line}`}
                  </p>
                )}
              </li>
            )}
          </Listed>
        </>
      )}
      {postgres !== null && postgres.settings.length > 0 && <InForce all={postgres.settings} />}
    </Room>
  )
}

const prewarmed = (state: Known["prewarm"]): string => {
  if (state === null) return "not known"
  if (state.status === "failed") return "failed"
  if (state.status !== "completed" || !("total" in state)) return spoken(state.status)
  const took = state.state_download_time_ms + state.uncompress_time_ms + state.prewarm_time_ms
  const skipped = state.skipped > 0 ? `, ${number(state.skipped)} skipped` : ""
  return `${number(state.prewarmed)} of ${counted(state.total, "page")}${skipped}, in ${lasting(took)}`
}

const offloaded = (state: Known["offload"]): string => {
  if (state === null) return "not known"
  if (state.status === "failed") return "failed"
  if (state.status !== "completed" || !("state_query_time_ms" in state)) return spoken(state.status)
  return `stored in ${lasting(state.state_query_time_ms + state.compress_time_ms + state.state_upload_time_ms)}`
}

const Failure = ({ state }: { readonly state: Known["prewarm"] | Known["offload"] }) =>
  state?.status === "failed" && "error" in state ? (
    <p class="fault">
      <Long text={state.error} />
    </p>
  ) : null

export const Cache = ({ known: { offload, prewarm } }: { readonly known: Known }) => (
  <Room id="cache" title="Local file cache">
    <Facts
      all={[
        ["Prewarm", prewarmed(prewarm)],
        ["Offload", offloaded(offload)]
      ]}
    />
    {prewarm?.status === "prewarming" && <progress aria-label="Prewarm under way" />}
    {offload?.status === "offloading" && <progress aria-label="Offload under way" />}
    {prewarm?.status === "completed" && "total" in prewarm && prewarm.total > 0 && (
      <progress max={prewarm.total} value={prewarm.prewarmed + prewarm.skipped} aria-label="pages prewarmed" />
    )}
    <Failure state={prewarm} />
    <Failure state={offload} />
  </Room>
)

const followed = (behind: number | null): string => (behind === null ? "" : `, ${size(Math.max(0, behind))} behind`)

const Followers = ({ slots, standbys }: NonNullable<Known["postgres"]>) => (
  <>
    {standbys.length > 0 && (
      <>
        <h3>Followed by</h3>
        <Listed all={standbys} kind="facts">
          {({ behind, name, state }, index) => (
            <li key={`${index} ${name}`}>
              {name ?? "somebody"}{" "}
              <span class="soft">
                {state ?? ""}
                {followed(behind)}
              </span>
            </li>
          )}
        </Listed>
      </>
    )}
    {slots.length > 0 && (
      <>
        <h3>Replication slots</h3>
        <Listed all={slots} kind="facts">
          {({ active, behind, kind, name, wal }) => (
            <li key={name}>
              <code>{name}</code>{" "}
              <span class="soft">
                {kind}, {active ? "active" : "inactive"}
                {followed(behind)}
              </span>
              {wal === "lost" && <span class="fault">its WAL is lost</span>}
            </li>
          )}
        </Listed>
      </>
    )}
  </>
)

const position = (postgres: Known["postgres"]) =>
  postgres === null || postgres.lsn === null
    ? null
    : ([
        "LSN",
        `${postgres.lsn} ${postgres.is_standby ? "replayed" : "flushed"}, WAL timeline ${postgres.wal_timeline}`
      ] as const)

const lag = (ready: Known["ready"]) =>
  ready?.standby == null
    ? null
    : ([
        "Behind",
        `${ready.standby.behind_bytes === null ? "unknown" : size(ready.standby.behind_bytes)}${
          ready.standby.behind_seconds === null ? "" : `, ${lasting(ready.standby.behind_seconds * 1000)}`
        }`
      ] as const)

const writes = (ready: Known["ready"]): string => {
  if (ready === null) return "Postgres does not accept connections"
  if (ready.standby === null) return "a primary: it writes"
  const { received_lsn, replayed_lsn } = ready.standby
  return `a standby: received ${received_lsn ?? "nothing"}, replayed ${replayed_lsn ?? "nothing"}`
}

const synced = (startup: Known["startup"]): string => {
  if (startup === null || startup.sync_sk_check_ms === 0) return "not asked yet"
  const after = startup.sync_safekeepers_ms > 0 ? `then synced in ${lasting(startup.sync_safekeepers_ms)}` : "in sync"
  return `asked in ${lasting(startup.sync_sk_check_ms)}, ${after}`
}

export const Storage = ({ known: { postgres, ready, startup } }: { readonly known: Known }) => (
  <Room id="storage" title="WAL and storage">
    <Facts
      all={[
        ["WAL", writes(ready)],
        position(postgres),
        lag(ready),
        ["Safekeepers", synced(startup)],
        [
          "Basebackup",
          startup === null || startup.basebackup_bytes === 0
            ? "none yet"
            : `${size(startup.basebackup_bytes)} in ${lasting(startup.basebackup_ms)}`
        ]
      ]}
    />
    {postgres !== null && <Followers {...postgres} />}
  </Room>
)

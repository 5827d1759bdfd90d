/**
 * The last start as a waterfall of its phases, and what happened since.
 */
import type { ComputeStatus } from "../../../src/domain/status/ComputeStatus.ts"
import { Long, Room } from "./parts.tsx"
import type { History, Known, Startup } from "./shapes.ts"
import { clock, lasting, spoken } from "./words.ts"

/** In the order in which they follow each other; what runs beside them is part of the one that waits for it. */
const phases = (startup: Startup): ReadonlyArray<readonly [name: string, millis: number]> => [
  ["waiting for the spec", startup.wait_for_spec_ms],
  ["asking the safekeepers", startup.sync_sk_check_ms],
  ["syncing the safekeepers", startup.sync_safekeepers_ms],
  ["connecting to the pageserver", startup.pageserver_connect_micros / 1000],
  ["basebackup", Math.max(0, startup.basebackup_ms - startup.pageserver_connect_micros / 1000)],
  ["extensions", startup.load_ext_ms],
  ["starting Postgres", startup.start_postgres_ms],
  ["configuring", startup.config_ms]
]

interface RowProps {
  readonly name: string
  readonly took: number | null
  /** Percent of the longest line. */
  readonly left: number
  readonly share: number
}

const Row = ({ left, name, share, took }: RowProps) => (
  <tr class={took === 0 ? "none" : ""}>
    <th scope="row">{name}</th>
    <td class="number">{took === null ? "" : lasting(took)}</td>
    <td class="bar">
      <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
        <rect class="track" width="100" height="8" />
        <rect class="took" x={Math.min(left, 99.5)} width={Math.max(0.5, share)} height="8" />
      </svg>
    </td>
  </tr>
)

const Waterfall = ({ startup }: { readonly startup: Startup }) => {
  const all = phases(startup)
  const whole = Math.max(
    1,
    startup.wait_for_spec_ms + startup.total_startup_ms,
    all.reduce((sum, [, millis]) => sum + millis, 0)
  )
  let begin = 0
  return (
    <table class="waterfall">
      <caption>
        {startup.total_startup_ms === 0 ? "So far" : `From the spec to running in ${lasting(startup.total_startup_ms)}`}
      </caption>
      <tbody>
        {all.map(([name, millis]) => {
          const left = (begin / whole) * 100
          begin += millis
          return <Row key={name} name={name} took={millis} left={left} share={(millis / whole) * 100} />
        })}
      </tbody>
    </table>
  )
}

/** How long the last applies of a new spec took, the newest first. */
const Reconfigurations = ({ history }: { readonly history: Known["history"] }) => {
  const all = (history?.events ?? [])
    .flatMap((event) =>
      event.kind === "apply" && event.trigger === "reconfigure" && event.state !== "running" ? [event] : []
    )
    .slice(-5)
    .toReversed()
  if (all.length === 0) return null
  const longest = Math.max(1, ...all.map(({ duration_ms }) => duration_ms ?? 0))
  return (
    <table class="waterfall">
      <caption>The last reconfigurations, the newest first</caption>
      <tbody>
        {all.map(({ at, duration_ms, state }) => (
          <Row
            key={at}
            name={`${clock(at)}, ${state}`}
            took={duration_ms}
            left={0}
            share={((duration_ms ?? 0) / longest) * 100}
          />
        ))}
      </tbody>
    </table>
  )
}

const NOT_YET: Partial<Record<ComputeStatus, string>> = {
  failed: "It has failed before it was running.",
  init: "It is starting."
}

export const Start = ({ known: { detail, history, startup } }: { readonly known: Known }) => (
  <Room id="start" title="Start">
    {(startup === null || startup.total_startup_ms === 0) && (
      <p class="soft">{NOT_YET[detail.status] ?? "It has not started yet."}</p>
    )}
    {startup !== null && phases(startup).some(([, millis]) => millis > 0) && <Waterfall startup={startup} />}
    <Reconfigurations history={history} />
  </Room>
)

type Happened = History["events"][number]

const told = (event: Happened): string => {
  switch (event.kind) {
    case "state": {
      const cause = event.cause === null ? "" : `, ${event.cause}`
      return `${event.from === null ? "" : `${spoken(event.from)} \u2192 `}${spoken(event.status)}${cause}`
    }
    case "apply": {
      const took = event.duration_ms === null ? "" : ` in ${lasting(event.duration_ms)}`
      return `apply at a ${event.trigger}: ${event.state === "running" ? "begun" : event.state}${took}`
    }
    default:
      return `refresh: ${event.outcome}`
  }
}

export const Events = ({ history }: { readonly history: Known["history"] }) => {
  const all = history?.events.toReversed() ?? []
  return (
    <Room id="events" title="What happened" aside="the newest first">
      {all.length === 0 ? (
        <p class="soft">Nothing yet.</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls can be reached by keys
        <ol class="way scrolls" tabIndex={0} aria-labelledby="events">
          {all.map((event, index) => (
            <li key={`${event.at} ${index}`}>
              <time dateTime={event.at}>{clock(event.at)}</time>
              <span>
                {told(event)}
                {event.error !== null && (
                  <span class="fault">
                    <Long text={event.error} />
                  </span>
                )}
              </span>
            </li>
          ))}
        </ol>
      )}
    </Room>
  )
}

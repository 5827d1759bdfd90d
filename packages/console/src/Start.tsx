/**
 * The last start as a waterfall of its phases, and what happened since.
 */
import type { Known, Startup } from "./shapes.ts"
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
  <tr>
    <th scope="row">{name}</th>
    <td>{took === null ? "" : lasting(took)}</td>
    <td class="bar">
      <svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true">
        <rect x={left} y="0" width={Math.max(0.5, share)} height="8" />
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
      <caption>From the spec to running in {lasting(startup.total_startup_ms)}</caption>
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
      <caption>Applies of the last reconfigurations</caption>
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

const told = (entry: Readonly<Record<string, unknown>>): string =>
  Object.entries(entry)
    .filter(([name, value]) => !["at", "kind"].includes(name) && value !== null)
    .map(([name, value]) => `${spoken(name)}: ${typeof value === "object" ? JSON.stringify(value) : value}`)
    .join(", ")

export const Start = ({ known: { detail, history, startup } }: { readonly known: Known }) => (
  <section aria-labelledby="start">
    <h2 id="start">Start</h2>
    {startup === null || startup.total_startup_ms === 0 ? (
      <p>{detail.status === "failed" ? "It has failed before it was running." : "It has not started yet."}</p>
    ) : (
      <Waterfall startup={startup} />
    )}
    <Reconfigurations history={history} />
    {history !== null && history.events.length > 0 && (
      <details>
        <summary>What happened since</summary>
        <ol class="history">
          {history.events.toReversed().map((entry, index) => (
            <li key={`${entry.at} ${index}`}>
              <time dateTime={entry.at}>{clock(entry.at)}</time> {spoken(entry.kind)}: {told(entry)}
            </li>
          ))}
        </ol>
      </details>
    )}
  </section>
)

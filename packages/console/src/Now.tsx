/**
 * What the compute is, what it waits for, and what went wrong.
 */
import { Diagram } from "./Diagram.tsx"
import type { Known } from "./shapes.ts"
import { clock, lasting, spoken } from "./words.ts"

/** An error and what it came of, from the outermost on. */
const causes = (error: string): ReadonlyArray<string> =>
  error
    .split(/\s*Caused by:\s*|\n\s*(?:\d+: )?|: (?=\S)/)
    .map((part) => part.trim())
    .filter((part) => part !== "")

/** `now`: the compute's own clock, as far as the page knows it. */
export const Now = ({ known: { detail, history }, now }: { readonly known: Known; readonly now: number }) => {
  const changes = (history?.events ?? []).flatMap((event) => (event.kind === "state" ? [event.from] : []))
  const way = [...changes.filter((from) => from !== null).slice(-4), detail.status]
  const chain = detail.error === null ? [] : causes(detail.error)
  return (
    <section aria-labelledby="now">
      <h2 id="now">
        {spoken(detail.status)} <small>for {lasting(now - Date.parse(detail.since))}</small>
      </h2>
      {chain.length > 0 && (
        <div class="fault" role="alert">
          <strong>Last error</strong>
          <ol class="chain">
            {chain.map((part, index) => (
              <li key={`${index} ${part}`}>{part}</li>
            ))}
          </ol>
        </div>
      )}
      {detail.waits.map(({ deadline, detail: more, name, since }) => {
        const begun = Date.parse(since)
        const end = deadline === null ? null : Date.parse(deadline)
        return (
          <div class="wait" key={name + since}>
            <strong>{name}</strong> for {lasting(now - begun)}
            {end !== null && <span>, {lasting(end - now)} left</span>}
            {more && <p>{more}</p>}
            {end !== null && (
              <progress max={end - begun} value={Math.min(end, now) - begun} aria-label={`${name}: time used`} />
            )}
          </div>
        )
      })}
      <Diagram current={detail.status} way={way} />
      <dl>
        <dt>Compute</dt>
        <dd>{detail.compute_id}</dd>
        <dt>Started</dt>
        <dd>{new Date(detail.start_time).toLocaleString()}</dd>
        <dt>Postgres</dt>
        <dd>{detail.postgres_runs ? "runs" : "does not run"}</dd>
      </dl>
      <details>
        <summary>Services and keys</summary>
        <table>
          <thead>
            <tr>
              <th scope="col">Service</th>
              <th scope="col">State</th>
              <th scope="col">Restarts</th>
              <th scope="col">Last error</th>
            </tr>
          </thead>
          <tbody>
            {detail.services.map(({ last_error, name, restarts, state }) => (
              <tr key={name}>
                <th scope="row">{name}</th>
                <td>{state}</td>
                <td>{restarts}</td>
                <td>{last_error ?? ""}</td>
              </tr>
            ))}
          </tbody>
        </table>
        <ul>
          {detail.keys.map(({ counts, kid, since }) => (
            <li key={kid}>
              Key {kid}, since {clock(since)}, counts: {counts}
            </li>
          ))}
        </ul>
      </details>
    </section>
  )
}

/**
 * What the compute is, how it came there, what it waits for, and what went wrong.
 */
import { Diagram } from "./Diagram.tsx"
import { Facts, Listed, Long, Mark, Marked, Room } from "./parts.tsx"
import type { Apply, Known, StatusDetail } from "./shapes.ts"
import { causes, clock, counted, running, spoken } from "./words.ts"

/** The failed statement that the error is of, if it is of one. */
const failedStep = (apply: Apply | null, error: string) =>
  (apply?.phases ?? [])
    .flatMap(({ phase, steps }) => steps.map((step) => ({ ...step, phase })))
    .find((step) => step.error !== null && error.includes(step.error.message))

/** The last error, from what was to be done to what was in the way. */
export const LastError = ({ apply, error }: { readonly error: string; readonly apply: Apply | null }) => {
  const chain = causes(error)
  const step = failedStep(apply, error)
  return (
    <section class="alert" aria-labelledby="error">
      <div class="head">
        <h2 id="error">
          <Mark tone="bad" /> Last error
        </h2>
      </div>
      <ol class="chain">
        {chain.map((part, index) => (
          <li key={`${index} ${part.slice(0, 50)}`}>
            {index > 0 && <span class="soft">because </span>}
            <Long text={part} />
          </li>
        ))}
      </ol>
      {step !== undefined && (
        <p>
          At <mark>{step.object}</mark>
          {step.database !== null && ` in ${step.database}`}, {step.phase}
          {step.error?.sqlstate != null && `, SQLSTATE ${step.error.sqlstate}`}.
          {step.error?.hint != null && ` Hint: ${step.error.hint}`}
        </p>
      )}
    </section>
  )
}

const Wait = ({ now, wait }: { readonly wait: StatusDetail["waits"][number]; readonly now: number }) => {
  const begun = Date.parse(wait.since)
  const end = wait.deadline === null ? null : Date.parse(wait.deadline)
  return (
    <li class="wait">
      <div class="head">
        <strong>{wait.name}</strong>
        <span class="aside">
          {running(now - begun)}
          {end !== null && (end >= now ? `, ${running(end - now)} left` : `, ${running(now - end)} over its limit`)}
        </span>
      </div>
      {wait.detail && (
        <p class="soft">
          <Marked text={wait.detail} />
        </p>
      )}
      {end !== null && (
        <progress max={end - begun} value={Math.min(end, now) - begun} aria-label={`${wait.name}: time used`} />
      )}
    </li>
  )
}

/** `now`: the compute's own clock, as far as the page knows it. */
export const Now = ({ known: { detail, history }, now }: { readonly known: Known; readonly now: number }) => {
  const changes = (history?.events ?? []).flatMap((event) => (event.kind === "state" ? [event] : [])).slice(-5)
  const [first] = changes
  const way = first === undefined ? [] : [...(first.from === null ? [] : [first.from]), ...changes.map((e) => e.status)]
  return (
    <Room id="now" title="State" aside={`${spoken(detail.status)} for ${running(now - Date.parse(detail.since))}`}>
      {detail.waits.length > 0 && (
        <>
          <h3>Waiting for</h3>
          <ul class="plain">
            {detail.waits.map((wait) => (
              <Wait key={wait.name + wait.since} wait={wait} now={now} />
            ))}
          </ul>
        </>
      )}
      <Diagram current={detail.status} way={way} />
      <h3>The way it came</h3>
      <ol class="way">
        {changes.length === 0 && <li aria-current="step">{spoken(detail.status)}</li>}
        {changes.map(({ at, cause, from, status }, index) => (
          <li key={`${at} ${status}`} {...(index === changes.length - 1 && { "aria-current": "step" })}>
            <time dateTime={at}>{clock(at)}</time>
            <span>
              {from !== null && <span class="soft">{spoken(from)} &rarr; </span>}
              {spoken(status)}
              {cause !== null && <span class="soft">, {cause}</span>}
            </span>
          </li>
        ))}
      </ol>
    </Room>
  )
}

const isWell = ({ last_error, state }: StatusDetail["services"][number]) =>
  state !== "backing off" && last_error === null

export const Services = ({ detail }: { readonly detail: StatusDetail }) => {
  const ill = detail.services.filter((service) => !isWell(service))
  return (
    <Room
      id="services"
      title="Services"
      aside={
        detail.services.length === 0
          ? "none yet"
          : ill.length === 0
            ? `all ${detail.services.length} well`
            : counted(ill.length, "in trouble").replace(/s$/, "")
      }
    >
      {detail.services.length > 0 && (
        <table>
          <thead>
            <tr>
              <th scope="col">Service</th>
              <th scope="col">State</th>
              <th scope="col" class="number">
                Restarts
              </th>
            </tr>
          </thead>
          <tbody>
            {detail.services
              .toSorted((a, b) => Number(isWell(a)) - Number(isWell(b)))
              .map((service) => (
                <tr key={service.name}>
                  <th scope="row">
                    {service.name}
                    {service.last_error !== null && (
                      <p class="fault">
                        <Long text={service.last_error} />
                      </p>
                    )}
                  </th>
                  <td>{service.state}</td>
                  <td class="number">{service.restarts}</td>
                </tr>
              ))}
          </tbody>
        </table>
      )}
      <h3>Keys of the API</h3>
      {detail.keys.length === 0 ? (
        <p class="soft">None: no token opens it.</p>
      ) : (
        <Listed all={detail.keys} kind="facts">
          {({ counts, kid, since }) => (
            <li key={kid}>
              <code>{kid}</code>{" "}
              <span class="soft">
                since {clock(since)}, counts: {counts}
              </span>
            </li>
          )}
        </Listed>
      )}
    </Room>
  )
}

const named = (name: string, value: string | null | undefined) =>
  value == null || value === "" ? null : ([name, <code key={name}>{value}</code>] as const)

/** Who it is. */
export const Identity = ({ known: { detail, metrics, postgres } }: { readonly known: Known }) => (
  <Room id="identity" title="Compute">
    <Facts
      all={[
        named("Id", detail.compute_id),
        named("Tenant", detail.tenant ?? "none yet"),
        named("Timeline", detail.timeline ?? "none yet"),
        named("Branch", postgres?.branch),
        named("Endpoint", postgres?.endpoint),
        ["Started", clock(detail.start_time)],
        [
          "Postgres",
          `${postgres?.version ?? ""} ${detail.postgres_runs ? "runs" : "does not run"}${
            postgres?.mode == null ? "" : ` as ${postgres.mode}`
          }`
        ],
        named("Build", metrics.find(({ name }) => name === "compute_ctl_up")?.labels["build_tag"]),
        postgres?.certificate_ends == null ? null : ["Certificate", `until ${postgres.certificate_ends}`]
      ]}
    />
  </Room>
)

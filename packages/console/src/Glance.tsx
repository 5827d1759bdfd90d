/**
 * What is to be known at three in the morning, each with the way to where more of it stands.
 */
import { settingsInShort } from "./InUse.tsx"
import { Mark, type Tone } from "./parts.tsx"
import type { Known } from "./shapes.ts"
import { number, running } from "./words.ts"

interface Fact {
  readonly name: string
  readonly value: string
  readonly tone: Tone
  /** Id of the room. */
  readonly at: string
}

const facts = ({ activity, apply, detail, ready }: Known, now: number): ReadonlyArray<Fact> => {
  const failures = (detail.failed_databases ?? []).length
  const settings = settingsInShort(apply, detail)
  const ill = detail.services.filter(({ last_error, state }) => state === "backing off" || last_error !== null).length
  const [wait] = detail.waits
  return [
    {
      name: "Postgres",
      value: detail.postgres_runs ? (ready === null ? "not ready" : "ready") : "does not run",
      tone: detail.postgres_runs ? (ready === null ? "moving" : "good") : detail.status === "failed" ? "bad" : "plain",
      at: "storage"
    },
    {
      name: "Up for",
      value: running(now - Date.parse(detail.start_time)),
      tone: "plain",
      at: "start"
    },
    {
      name: "Waiting for",
      value: wait === undefined ? "nothing" : wait.name,
      tone: wait === undefined ? "good" : "moving",
      at: "now"
    },
    {
      name: "In use",
      value: activity?.active == null ? "not known" : activity.active ? "yes" : "no",
      tone: "plain",
      at: "activity"
    },
    {
      name: "Roles, databases",
      value:
        failures > 0
          ? `${number(failures)} failed`
          : apply?.state === undefined
            ? "not applied yet"
            : apply.state === "done"
              ? "applied"
              : apply.state,
      tone:
        failures > 0 || apply?.state === "failed"
          ? "bad"
          : apply?.state === "running"
            ? "moving"
            : apply?.state === "done"
              ? "good"
              : "plain",
      at: "apply"
    },
    { name: "Settings", value: settings ?? "in force", tone: settings === null ? "good" : "bad", at: "settings" },
    {
      name: "Services",
      value: ill === 0 ? "well" : `${number(ill)} in trouble`,
      tone: ill === 0 ? "good" : "bad",
      at: "services"
    }
  ]
}

export const Glance = ({ known, now }: { readonly known: Known; readonly now: number }) => (
  <nav aria-label="At a glance">
    {facts(known, now).map(({ at, name, tone, value }) => (
      <a key={name} href={`#${at}`} class={tone}>
        <span class="soft">{name}</span>
        <span>
          {tone !== "plain" && <Mark tone={tone} />} {value}
        </span>
      </a>
    ))}
  </nav>
)

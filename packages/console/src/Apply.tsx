/**
 * What the last apply did to the catalog, object by object, and what the next one would do.
 */
import { Listed, Long, Marked, Room } from "./parts.tsx"
import type { PhaseReport, PlanReport, Apply as Report, StatusDetail } from "./shapes.ts"
import { clock, counted, lasting, number } from "./words.ts"

const MARKS: Record<string, string> = {
  done: "\u2713",
  failed: "\u2717",
  interrupted: "\u2717",
  pending: "\u2026",
  skipped: "\u2013",
  running: "\u25b6"
}

const State = ({ state }: { readonly state: string }) => (
  <span class={`chip ${state}`}>
    <span aria-hidden="true">{MARKS[state]} </span>
    {state}
  </span>
)

const ORDER = ["failed", "running", "skipped", "pending", "done"]

const Step = ({ step }: { readonly step: PhaseReport["steps"][number] }) => (
  <li class="step">
    <div class="head">
      <span>
        <strong>{step.object}</strong>
        {step.database !== null && <span class="soft"> in {step.database}</span>}
      </span>
      <span class="aside">
        {step.duration_ms !== null && `${lasting(step.duration_ms)} `}
        <State state={step.state} />
      </span>
    </div>
    <p class="soft">{step.reason}</p>
    {step.error !== null && (
      <div class="fault">
        <p>
          {step.error.sqlstate !== null && <code>{step.error.sqlstate}</code>} <Long text={step.error.message} />
        </p>
        {step.error.detail !== null && (
          <p>
            <Long text={step.error.detail} />
          </p>
        )}
        {step.error.hint !== null && <p>Hint: {step.error.hint}</p>}
      </div>
    )}
    {step.because !== null && <p>Skipped: {step.because}</p>}
    {step.blocked_by.map(({ pid, ...blocker }) => (
      <p key={pid}>
        Held up by process {pid}:{" "}
        {Object.entries(blocker)
          .filter(([, value]) => value !== null)
          .map(([name, value]) => `${name} ${value}`)
          .join(", ")}
      </p>
    ))}
    <pre>{step.sql}</pre>
  </li>
)

const Phase = ({ isOpen, phase }: { readonly phase: PhaseReport; readonly isOpen: boolean }) => {
  const failures = phase.steps.filter(({ state }) => state === "failed").length
  return (
    <details open={isOpen}>
      <summary>
        <span>
          {phase.phase}
          <span class="soft">
            , {counted(phase.steps.length, "step")}
            {failures > 0 && `, ${counted(failures, "failure")}`}
          </span>
        </span>
        <span class="aside">
          {phase.duration_ms !== null && `${lasting(phase.duration_ms)} `}
          <State state={phase.state} />
        </span>
      </summary>
      <Listed all={phase.steps.toSorted((a, b) => ORDER.indexOf(a.state) - ORDER.indexOf(b.state))} kind="steps">
        {(step, index) => <Step key={`${index} ${step.object}`} step={step} />}
      </Listed>
    </details>
  )
}

export const Apply = ({ detail, report }: { readonly report: Report | null; readonly detail: StatusDetail }) => {
  const failed = detail.failed_databases ?? []
  return (
    <Room id="apply" title="Roles and databases" aside={report?.state !== undefined && <State state={report.state} />}>
      {report?.phases === undefined ? (
        <p class="soft">Nothing was applied yet.</p>
      ) : (
        <p>
          Applied at a {report.trigger}
          {report.started_at !== undefined && `, ${clock(report.started_at)}`}
          {typeof report.duration_ms === "number" && `, in ${lasting(report.duration_ms)}`}:{" "}
          {counted(report.databases_visited ?? 0, "database")} looked into
          {(report.databases_settled ?? 0) > 0 && `, ${number(report.databases_settled ?? 0)} left as they were`}.
        </p>
      )}
      {report?.error && (
        <p class="fault">
          <Long text={report.error} />
        </p>
      )}
      {failed.length > 0 && (
        <>
          <h3>{counted(failed.length, "failure")}, which the next apply tries again</h3>
          <Listed all={failed} kind="steps">
            {({ database, error, object }) => (
              <li class="step" key={`${database} ${object}`}>
                <strong>{object}</strong> <span class="soft">in {database ?? "the whole cluster"}</span>
                <p class="fault">
                  <Long text={error} />
                </p>
              </li>
            )}
          </Listed>
        </>
      )}
      {report?.phases?.map((phase) => (
        <Phase
          key={phase.phase}
          phase={phase}
          // What has failed stands above already, where there is such a list.
          isOpen={phase.state === "running" || (phase.state === "failed" && failed.length === 0)}
        />
      ))}
      {(report?.warnings ?? []).length > 0 && <Warnings all={report?.warnings ?? []} />}
    </Room>
  )
}

const Warnings = ({ all }: { readonly all: ReadonlyArray<string> }) => (
  <>
    <h3>Warnings</h3>
    <Listed all={all} kind="facts">
      {(warning) => (
        <li key={warning}>
          <Marked text={warning} />
        </li>
      )}
    </Listed>
  </>
)

const TAKEN = [
  ["restart", "Settings that wait for a restart of Postgres"],
  ["reload", "Settings that are in force at once"],
  ["extension", "Settings of extensions: at once, unless the extension wants a restart"]
] as const

const Settings = ({ settings }: { readonly settings: NonNullable<PlanReport["settings"]> }) => (
  <>
    {TAKEN.map(([by, title]) => {
      const all = settings.filter(({ taken_by }) => taken_by === by)
      return (
        all.length > 0 && (
          <div key={by}>
            <h3>{title}</h3>
            <Listed all={all} kind="changes">
              {({ from, name, to }) => (
                <li key={name}>
                  <code>{name}</code>
                  <span>
                    <span class="soft">{from ?? "its default"} &rarr; </span>
                    {to ?? "its default"}
                  </span>
                </li>
              )}
            </Listed>
          </div>
        )
      )
    })}
  </>
)

/** In a few words, for who is to say yes. */
export const inShort = (plan: PlanReport): string => {
  const steps = plan.phases.reduce((sum, phase) => sum + phase.steps.length, 0)
  const settings = plan.settings ?? []
  const waiting = settings.filter(({ taken_by }) => taken_by === "restart").length
  const parts = [
    steps > 0 && `${counted(steps, "step")} in the catalog`,
    settings.length > waiting && `${counted(settings.length - waiting, "setting")} at once`,
    waiting > 0 && `${counted(waiting, "setting")} after the next restart of Postgres`
  ].filter((part) => part !== false)
  return parts.length === 0 ? "no role, no database and no setting would change" : parts.join(", ")
}

/** What would be done. */
export const Plan = ({ plan }: { readonly plan: PlanReport }) => (
  <div class="plan">
    <h3>It would change</h3>
    <p>{inShort(plan)}.</p>
    <Settings settings={plan.settings ?? []} />
    {plan.phases
      .filter(({ steps }) => steps.length > 0)
      .map(({ phase, steps }) => (
        <details open key={phase}>
          <summary>
            <span>
              {phase}
              <span class="soft">, {counted(steps.length, "step")}</span>
            </span>
          </summary>
          <Listed all={steps} kind="steps">
            {({ database, object, reason, sql }, index) => (
              <li class="step" key={`${index} ${object}`}>
                <strong>{object}</strong>
                {database !== null && <span class="soft"> in {database}</span>}
                <p class="soft">{reason}</p>
                <pre>{sql}</pre>
              </li>
            )}
          </Listed>
        </details>
      ))}
    {plan.warnings.length > 0 && <Warnings all={plan.warnings} />}
  </div>
)

/**
 * What the last apply did to the catalog, object by object.
 */
import type { PhaseReport, PlanReport, Apply as Report, StatusDetail } from "./shapes.ts"
import { counted, lasting } from "./words.ts"

const MARKS: Record<string, string> = {
  done: "\u2713",
  failed: "\u2717",
  pending: "\u2026",
  skipped: "\u2013",
  running: "\u25b6"
}

const Phase = ({ phase }: { readonly phase: PhaseReport }) => (
  <details open={phase.state === "failed" || phase.state === "running"}>
    <summary>
      {MARKS[phase.state]} {phase.phase}: {phase.state}
      {phase.duration_ms !== null && `, ${lasting(phase.duration_ms)}`}
    </summary>
    <ul class="steps">
      {phase.steps.map((step, index) => (
        <li key={`${index} ${step.object}`} class={step.state}>
          {MARKS[step.state]} <strong>{step.object}</strong>
          {step.database !== null && ` in ${step.database}`}: {step.reason}
          {step.duration_ms !== null && ` (${lasting(step.duration_ms)})`}
          <code>{step.sql}</code>
          {step.because !== null && <p>Skipped: {step.because}</p>}
          {step.error !== null && (
            <p class="fault">
              {step.error.sqlstate} {step.error.message}
              {step.error.detail !== null && <span> {step.error.detail}</span>}
              {step.error.hint !== null && <em> Hint: {step.error.hint}</em>}
            </p>
          )}
          {step.blocked_by.map((blocker) => (
            <p key={blocker.pid}>
              Blocked by pid {blocker.pid} {JSON.stringify(blocker)}
            </p>
          ))}
        </li>
      ))}
    </ul>
  </details>
)

export const Apply = ({ detail, report }: { readonly report: Report | null; readonly detail: StatusDetail }) => (
  <section aria-labelledby="apply">
    <h2 id="apply">Roles and databases</h2>
    {report?.phases === undefined ? (
      <p>Nothing was applied yet.</p>
    ) : (
      <>
        <p>
          Apply of a {report.trigger}: {report.state}
          {typeof report.duration_ms === "number" && `, ${lasting(report.duration_ms)}`};{" "}
          {counted(report.databases_visited ?? 0, "database")} visited, {report.databases_settled} as they should be.
        </p>
        {report.error && <p class="fault">{report.error}</p>}
        {report.phases.map((phase) => (
          <Phase key={phase.phase} phase={phase} />
        ))}
        {report.warnings?.map((warning) => (
          <p key={warning}>Warning: {warning}</p>
        ))}
      </>
    )}
    {(detail.failed_databases ?? []).map(({ database, error, object }) => (
      <p class="fault" key={`${database} ${object}`}>
        {database ?? "the cluster"}, {object}: {error}. The next apply tries again.
      </p>
    ))}
  </section>
)

/** What would be done. */
export const Plan = ({ plan }: { readonly plan: PlanReport }) => {
  const count = plan.phases.reduce((sum, { steps }) => sum + steps.length, 0)
  return (
    <div class="plan">
      <p>{count === 0 ? "No role and no database would be changed." : `${counted(count, "step")} would be taken:`}</p>
      {plan.phases.map(({ phase, steps }) => (
        <details open key={phase}>
          <summary>{phase}</summary>
          <ul class="steps">
            {steps.map(({ object, reason, sql }, index) => (
              <li key={`${index} ${object}`}>
                <strong>{object}</strong>: {reason}
                <code>{sql}</code>
              </li>
            ))}
          </ul>
        </details>
      ))}
      {plan.warnings.map((warning) => (
        <p key={warning}>Warning: {warning}</p>
      ))}
    </div>
  )
}

/**
 * A spec that is pasted: what is wrong with it, what it would change, and then the change itself.
 */
import { useState } from "preact/hooks"
import { type Api, Refused } from "./Api.ts"
import { inShort, Plan } from "./Apply.tsx"
import { Confirmed, messageOf } from "./Confirmed.tsx"
import { Listed, Mark, Marked } from "./parts.tsx"
import type { PlanReport } from "./shapes.ts"
import { counted } from "./words.ts"

/** A spec by itself, or in the document that a control plane sends. */
const isWhole = (document: unknown): boolean => typeof document === "object" && document !== null && "spec" in document

const specOf = (text: string): object => {
  const document = JSON.parse(text)
  return isWhole(document) ? document : { spec: document }
}

/** As it was typed, so that lines and columns of faults are those of the field above. */
const planBody = (text: string): string => (isWhole(JSON.parse(text)) ? text : `{"spec":${text}}`)

/** What is wrong with a spec, each with its place. */
const faultsOf = (error: unknown): ReadonlyArray<string> => {
  if (error instanceof SyntaxError) return [`This is not JSON: ${error.message}`]
  if (error instanceof Refused && error.faults.length > 0) {
    return error.faults.map(({ message }) => message)
  }
  return [messageOf(error)]
}

const Faults = ({ all }: { readonly all: ReadonlyArray<string> }) => (
  <div class="fault" role="alert">
    <h3>
      <Mark tone="bad" /> {counted(all.length, "fault")} in the way
    </h3>
    <Listed all={all} kind="facts">
      {(fault) => (
        <li key={fault}>
          <Marked text={fault} />
        </li>
      )}
    </Listed>
  </div>
)

export const Reconfigure = ({ api, look }: { readonly api: Api; readonly look: () => void }) => {
  const [text, setText] = useState("")
  const [plan, setPlan] = useState<PlanReport | null>(null)
  const [faults, setFaults] = useState<ReadonlyArray<string>>([])
  const [isAsking, setAsking] = useState(false)
  const change = (next: string) => {
    setText(next)
    setPlan(null)
    setFaults([])
  }
  const show = async () => {
    setPlan(null)
    setFaults([])
    setAsking(true)
    try {
      setPlan(await api.post<PlanReport>("/plan", planBody(text)))
    } catch (error) {
      setFaults(faultsOf(error))
    } finally {
      setAsking(false)
    }
  }
  return (
    <div class="action">
      <details>
        <summary>
          <span>
            <h3>Reconfigure from a spec</h3>
            <p class="soft">Shows first what it would change.</p>
          </span>
        </summary>
        <div class="stack">
          <label>
            Spec, as JSON
            <textarea
              rows={10}
              spellcheck={false}
              value={text}
              onInput={({ currentTarget }) => change(currentTarget.value)}
            />
          </label>
          <p class="soft">A spec by itself, or with its configuration around it, as a control plane sends it.</p>
          <button type="button" class="main" disabled={text.trim() === "" || isAsking} onClick={show}>
            {isAsking ? "Asking\u2026" : "Show what it would change"}
          </button>
          {faults.length > 0 && <Faults all={faults} />}
          {plan !== null && (
            <>
              <Plan plan={plan} />
              <Confirmed
                label="Reconfigure"
                about="Apply this spec to the running compute."
                act={async () => {
                  await api.post("/configure", { compute_ctl_config: { jwks: { keys: [] } }, ...specOf(text) })
                  look()
                  return "The compute runs with this spec."
                }}
              >
                <p>
                  The compute writes its configuration anew, has Postgres read it, and changes roles and databases;
                  sessions stay. What would change: {inShort(plan)}.
                </p>
                <p>Should a step fail, the compute becomes failed, with Postgres running as before.</p>
              </Confirmed>
            </>
          )}
        </div>
      </details>
    </div>
  )
}

/**
 * What can be done to the compute. Each says what will happen and asks once more.
 */
import type { ComponentChildren } from "preact"
import { useState } from "preact/hooks"
import type { Api } from "./Api.ts"
import { Plan } from "./Apply.tsx"
import type { PlanReport } from "./shapes.ts"

type Done = string | null

const Confirmed = ({
  act,
  children,
  label
}: {
  readonly label: string
  readonly children: ComponentChildren
  readonly act: () => Promise<Done>
}) => {
  const [stage, setStage] = useState<"closed" | "asked" | "acting">("closed")
  const [said, setSaid] = useState<Done>(null)
  const go = () => {
    setStage("acting")
    act()
      .then((answer) => setSaid(answer ?? "done"))
      .catch((error: unknown) => setSaid(error instanceof Error ? error.message : String(error)))
      .finally(() => setStage("closed"))
  }
  return (
    <div class="action">
      <button type="button" aria-expanded={stage !== "closed"} onClick={() => setStage("asked")}>
        {label}
      </button>
      {stage !== "closed" && (
        <div class="asked">
          {children}
          <button type="button" class="danger" disabled={stage === "acting"} onClick={go}>
            {stage === "acting" ? "under way" : `Yes, ${label.toLowerCase()}`}
          </button>
          <button type="button" disabled={stage === "acting"} onClick={() => setStage("closed")}>
            No
          </button>
        </div>
      )}
      <output>{said}</output>
    </div>
  )
}

/** A spec by itself, or in the document that a control plane sends. */
const specOf = (text: string): { readonly spec: unknown; readonly compute_ctl_config?: unknown } => {
  const document = JSON.parse(text)
  return typeof document === "object" && document !== null && "spec" in document ? document : { spec: document }
}

const Reconfigure = ({ api }: { readonly api: Api }) => {
  const [text, setText] = useState("")
  const [plan, setPlan] = useState<PlanReport | null>(null)
  const [said, setSaid] = useState<string | null>(null)
  const tell = (error: unknown) => setSaid(error instanceof Error ? error.message : String(error))
  const show = async () => {
    setSaid(null)
    setPlan(null)
    try {
      setPlan(await api.post<PlanReport>("/plan", { spec: specOf(text).spec }))
    } catch (error) {
      tell(error)
    }
  }
  return (
    <details>
      <summary>Reconfigure from a spec</summary>
      <label>
        Spec, as JSON
        <textarea
          rows={8}
          spellcheck={false}
          value={text}
          onInput={({ currentTarget }) => {
            setText(currentTarget.value)
            setPlan(null)
          }}
        />
      </label>
      <button type="button" disabled={text.trim() === ""} onClick={show}>
        Show what it would change
      </button>
      {said !== null && <output>{said}</output>}
      {plan !== null && (
        <>
          <Plan plan={plan} />
          <Confirmed
            label="Reconfigure"
            act={() =>
              api.post("/configure", { compute_ctl_config: { jwks: { keys: [] } }, ...specOf(text) }).then(() => null)
            }
          >
            <p>The compute writes its configuration anew, has Postgres read it, and takes the steps above.</p>
          </Confirmed>
        </>
      )}
    </details>
  )
}

const Terminate = ({ api }: { readonly api: Api }) => {
  const [mode, setMode] = useState("fast")
  const [idle, setIdle] = useState("")
  const path = `/terminate?mode=${mode}${idle === "" ? "" : `&if_idle=${encodeURIComponent(idle)}`}`
  return (
    <Confirmed
      label="Terminate"
      act={() =>
        api
          .post<{ readonly lsn: string | null } | null>(path)
          .then((answer) => `ended; safekeepers in sync at ${answer?.lsn ?? "an unknown position"}`)
      }
    >
      <p>
        Sessions are cut off, Postgres stops, the safekeepers are synced, and this process ends. Data that was committed
        is kept by the storage. Nobody starts it again but its owner.
      </p>
      <label>
        Mode
        <select value={mode} onChange={({ currentTarget }) => setMode(currentTarget.value)}>
          <option value="fast">fast: lingers half a minute for who asks for its status</option>
          <option value="immediate">immediate</option>
        </select>
      </label>
      <label>
        Only when nobody has used it for so many seconds
        <input
          inputMode="numeric"
          pattern="[0-9]*"
          value={idle}
          onInput={({ currentTarget }) => setIdle(currentTarget.value)}
        />
      </label>
    </Confirmed>
  )
}

/** On this server there is no such route: who reaches it from far has no business with it. */
const Refresh = () => (
  <details>
    <summary>Refresh</summary>
    <p>
      The compute fetches its spec again from where it came, the file or the control plane, and reconfigures itself
      where that says something else; sessions stay. A refresh that fails is tried again by itself.
    </p>
    <p>
      Only processes of its own machine can ask for it, at the internal port (3081, or what{" "}
      <kbd>--internal-http-port</kbd> says). There:
    </p>
    <code>curl -X POST 127.0.0.1:3081/refresh_configuration</code>
    <p>What comes of it is seen here.</p>
  </details>
)

export const Actions = ({ api }: { readonly api: Api }) => (
  <section aria-labelledby="actions">
    <h2 id="actions">Actions</h2>
    <Reconfigure api={api} />
    <Refresh />
    <Confirmed label="Prewarm" act={() => api.post("/lfc/prewarm").then(() => "begun")}>
      <p>The pages that the stored state of the cache names are read from the pageserver, beside the work of others.</p>
    </Confirmed>
    <Confirmed label="Offload" act={() => api.post("/lfc/offload").then(() => "stored")}>
      <p>Which pages are in the cache is stored, in place of what was stored before.</p>
    </Confirmed>
    <Terminate api={api} />
  </section>
)

/**
 * What can be done to the compute.
 */
import { useState } from "preact/hooks"
import type { Api } from "./Api.ts"
import { Confirmed } from "./Confirmed.tsx"
import { Room } from "./parts.tsx"
import { Reconfigure } from "./Reconfigure.tsx"
import type { History, Known } from "./shapes.ts"

interface Props {
  readonly api: Api
  readonly known: Known
  /** Looks at the compute at once. */
  readonly look: () => void
}

const OUTCOMES = {
  unchanged: "The pageservers are the same: nothing was changed.",
  reconfigured: "The configuration had changed, and the compute follows it now.",
  detached: "The configuration has no spec any more: the compute stops.",
  failed: "It failed, and is tried again by itself."
} as const

const refreshes = (history: History | null) =>
  (history?.events ?? []).flatMap((event) => (event.kind === "refresh" ? [event] : []))

const Refresh = ({ api, known: { history }, look }: Props) => {
  /** The last refresh before ours; null until one was asked for. */
  const [before, setBefore] = useState<string | null>(null)
  const outcome = before === null ? undefined : refreshes(history).find(({ at }) => at > before)
  return (
    <>
      <Confirmed
        label="Refresh"
        about="Fetch the configuration again from where it came."
        act={async () => {
          const last = refreshes(history).at(-1)?.at ?? ""
          await api.post("/refresh")
          setBefore(last)
          look()
          return "Asked for."
        }}
      >
        <p>
          The compute fetches its configuration again, from the file or the control plane that it came from. If the
          pageservers are the same, nothing changes. If they are others, it reconfigures itself with all that is new;
          sessions stay. A refresh that fails is tried again by itself.
        </p>
        <p>
          <strong>If the configuration has no spec any more, the compute stops.</strong>
        </p>
        <p class="soft">Needs the control plane&rsquo;s own token.</p>
      </Confirmed>
      {before !== null && (
        <output class={outcome?.outcome === "failed" ? "fault" : "soft"}>
          {outcome === undefined ? "What comes of it is awaited." : OUTCOMES[outcome.outcome]}
          {outcome?.error != null && ` ${outcome.error}`}
        </output>
      )}
    </>
  )
}

const Prewarm = ({ api, known: { prewarm }, look }: Props) => {
  const [from, setFrom] = useState("")
  const path = `/lfc/prewarm${from === "" ? "" : `?from_endpoint=${encodeURIComponent(from)}`}`
  return (
    <Confirmed
      label="Prewarm"
      about="Fill the local file cache."
      beside={
        prewarm?.status === "prewarming" && (
          <button type="button" onClick={() => api.remove("/lfc/prewarm").then(look, look)}>
            Cancel it
          </button>
        )
      }
      act={async () => {
        await api.post(path)
        look()
        return "Begun; how far it is stands at the local file cache."
      }}
    >
      <p>
        The pages that the stored state of the cache names are read from the pageserver, in the background. Queries go
        on, a little slower for as long as it takes. It can be cancelled.
      </p>
      <label>
        State of another endpoint (empty: its own)
        <input value={from} spellcheck={false} onInput={({ currentTarget }) => setFrom(currentTarget.value.trim())} />
      </label>
    </Confirmed>
  )
}

const Offload = ({ api, look }: Props) => (
  <Confirmed
    label="Offload"
    about="Store which pages are in the cache."
    act={async () => {
      await api.post("/lfc/offload")
      look()
      return "Begun; what came of it stands at the local file cache."
    }}
  >
    <p>
      Which pages are in the cache now is stored beside the timeline, in place of what was stored before: the next
      prewarm will read these. The cache itself stays as it is.
    </p>
  </Confirmed>
)

const Terminate = ({ api, look }: Props) => {
  const [mode, setMode] = useState("fast")
  const [idle, setIdle] = useState("")
  const path = `/terminate?mode=${mode}${idle === "" ? "" : `&if_idle=${encodeURIComponent(idle)}`}`
  return (
    <Confirmed
      label="Terminate"
      about="End Postgres and this compute."
      isGrave
      act={async () => {
        const answer = await api.post<{ readonly lsn: string | null } | null>(path)
        look()
        return `Ended; the safekeepers are in sync at ${answer?.lsn ?? "no position, since Postgres has not written"}.`
      }}
    >
      <p>
        Sessions are cut off, Postgres stops, the safekeepers are synced a last time, and this process ends. What was
        committed is kept by the storage. <strong>Nobody but its owner starts it again</strong>, and this page goes with
        it.
      </p>
      <label>
        Mode
        <select value={mode} onChange={({ currentTarget }) => setMode(currentTarget.value)}>
          <option value="fast">fast, and answers for 30 s more</option>
          <option value="immediate">immediate</option>
        </select>
      </label>
      <label>
        Only if idle for so many seconds (empty: in any case)
        <input
          inputMode="numeric"
          pattern="[0-9]*"
          title="A whole number of seconds"
          value={idle}
          onInput={({ currentTarget }) => setIdle(currentTarget.value.trim())}
        />
      </label>
    </Confirmed>
  )
}

export const Actions = (props: Props) => (
  <Room id="actions" title="Actions" aside="each asks once more">
    <Reconfigure {...props} />
    <Refresh {...props} />
    <Prewarm {...props} />
    <Offload {...props} />
    <Terminate {...props} />
  </Room>
)

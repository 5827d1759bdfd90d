/**
 * The page: a token once, then all that is to be seen.
 */
import { useEffect, useMemo, useState } from "preact/hooks"
import type { ComputeStatus } from "../../../src/domain/status/ComputeStatus.ts"
import { Actions } from "./Actions.tsx"
import { makeApi } from "./Api.ts"
import { Apply } from "./Apply.tsx"
import { Charts } from "./Charts.tsx"
import { Cache, InUse, Settings, Storage } from "./InUse.tsx"
import { Now } from "./Now.tsx"
import { Start } from "./Start.tsx"
import { useWatched } from "./watching.ts"
import { spoken } from "./words.ts"

const KEPT_AS = "compute token"

/** Beside the colour, for who does not see it. */
const MARKS = { good: "\u2713", bad: "\u2717", moving: "\u2026" } as const

const toneOf = (status: ComputeStatus): keyof typeof MARKS =>
  status === "running" || status === "empty" ? "good" : status === "failed" ? "bad" : "moving"

const Login = ({ enter, refused }: { readonly enter: (token: string) => void; readonly refused: string | null }) => {
  const [text, setText] = useState("")
  return (
    <form
      class="login"
      onSubmit={(event) => {
        event.preventDefault()
        enter(text.trim().replace(/^Bearer\s+/i, ""))
      }}
    >
      <h1>Compute</h1>
      {refused !== null && <p role="alert">The token was not taken: {refused}</p>}
      <label>
        Token of the API
        <input
          type="password"
          autocomplete="off"
          required
          value={text}
          onInput={({ currentTarget }) => setText(currentTarget.value)}
        />
      </label>
      <button type="submit">Look</button>
      <p>It is kept for this tab only, and goes to this compute and to nobody else.</p>
    </form>
  )
}

/** The time, each half second, so that clocks run. */
const useClock = () => {
  const [now, setNow] = useState(Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500)
    return () => clearInterval(timer)
  }, [])
  return now
}

const Console = ({ leave, token }: { readonly token: string; readonly leave: (reason: string | null) => void }) => {
  const api = useMemo(() => makeApi(token), [token])
  const { ahead, gone, known, points, refused } = useWatched(api)
  const now = useClock() + ahead
  useEffect(() => {
    if (refused !== null) leave(refused)
  }, [refused])
  useEffect(() => {
    document.title = known === null ? "compute" : `${spoken(known.detail.status)}: ${known.detail.compute_id}`
  }, [known?.detail.status])
  return (
    <>
      <header>
        <h1>{known?.detail.compute_id ?? "Compute"}</h1>
        <p aria-live="polite" class={`badge ${known === null ? "" : toneOf(known.detail.status)}`}>
          {known === null ? "asking" : `${MARKS[toneOf(known.detail.status)]} ${spoken(known.detail.status)}`}
        </p>
        <button type="button" onClick={() => leave(null)}>
          Forget the token
        </button>
      </header>
      {gone !== null && (
        <p class="fault" role="alert">
          The compute does not answer; what stands here may be old. {gone}
        </p>
      )}
      {known !== null && (
        <div class="rooms">
          <div>
            <Now known={known} now={now} />
            <Apply report={known.apply} detail={known.detail} />
            <Actions api={api} />
          </div>
          <div>
            <Start known={known} />
            <InUse activity={known.activity} now={now} />
            <Settings apply={known.apply} detail={known.detail} />
            <Storage known={known} />
            <Cache known={known} />
            <Charts points={points} />
          </div>
        </div>
      )}
    </>
  )
}

/** A development server hands its token over in the fragment, which no request carries; it does not stay there. */
const handedOver = (): string | null => {
  const token = /^#token=([\w.-]+)$/.exec(location.hash)?.[1] ?? null
  if (token === null) return sessionStorage.getItem(KEPT_AS)
  history.replaceState(null, "", location.pathname)
  sessionStorage.setItem(KEPT_AS, token)
  return token
}

export const App = () => {
  const [token, setToken] = useState(handedOver)
  const [refused, setRefused] = useState<string | null>(null)
  if (token === null) {
    return (
      <Login
        refused={refused}
        enter={(text) => {
          sessionStorage.setItem(KEPT_AS, text)
          setRefused(null)
          setToken(text)
        }}
      />
    )
  }
  return (
    <Console
      token={token}
      leave={(reason) => {
        sessionStorage.removeItem(KEPT_AS)
        setRefused(reason)
        setToken(null)
      }}
    />
  )
}

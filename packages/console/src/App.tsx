/**
 * The page: a token once, then all that is to be seen.
 */
import type { ComponentChildren } from "preact"
import { useEffect, useMemo, useState } from "preact/hooks"
import type { ComputeStatus } from "../../../src/domain/status/ComputeStatus.ts"
import { Actions } from "./Actions.tsx"
import { makeApi } from "./Api.ts"
import { Apply } from "./Apply.tsx"
import { Charts } from "./Charts.tsx"
import { Glance } from "./Glance.tsx"
import { Cache, InUse, Settings, Storage } from "./InUse.tsx"
import { Login } from "./Login.tsx"
import { Identity, LastError, Now, Services } from "./Now.tsx"
import { Mark, type Tone } from "./parts.tsx"
import { Events, Start } from "./Start.tsx"
import { useWatched, type Watched } from "./watching.ts"
import { clock, running, spoken } from "./words.ts"

const KEPT_AS = "compute token"

/** For the title of the tab. */
const SIGNS = { good: "\u2713", bad: "\u2717", moving: "\u2026", plain: "" } as const

const toneOf = (status: ComputeStatus): Tone =>
  status === "running" || status === "empty"
    ? "good"
    : status === "failed"
      ? "bad"
      : status === "terminated"
        ? "plain"
        : "moving"

/** The time, each half second, so that clocks run. */
const useClock = () => {
  const [now, setNow] = useState(Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 500)
    return () => clearInterval(timer)
  }, [])
  return now
}

/** What stands there may be old. */
const Gone = ({
  gone,
  known,
  now
}: Pick<Watched, "known"> & {
  readonly gone: NonNullable<Watched["gone"]>
  readonly now: number
}) => {
  const isEnd = known?.detail.status === "terminated" || known?.detail.status.startsWith("termination") === true
  return (
    <section class="alert" role="alert" aria-labelledby="gone">
      <h2 id="gone">
        <Mark tone="bad" /> The compute does not answer
      </h2>
      <p>
        {isEnd
          ? "It was terminated, and its process has ended."
          : "Its process has ended, or the network is in the way. It is asked again each second."}{" "}
        {known !== null && `What stands here is of ${clock(known.detail.now)}.`}
      </p>
      <p class="soft" aria-hidden="true">
        For {running(now - gone.since)}: {gone.reason}
      </p>
    </section>
  )
}

const Console = ({ leave, token }: { readonly token: string; readonly leave: (reason: string | null) => void }) => {
  const api = useMemo(() => makeApi(token), [token])
  const { ahead, gone, isTold, known, look, points, refused } = useWatched(api)
  const time = useClock()
  // Nothing runs on that nobody sees.
  const now = gone !== null && known !== null ? Date.parse(known.detail.now) : time + ahead
  useEffect(() => {
    if (refused !== null) leave(refused)
  }, [refused])
  const status = known?.detail.status ?? null
  const id = known?.detail.compute_id ?? "Compute"
  const isGone = gone !== null
  useEffect(() => {
    const sign = isGone ? "? " : status === null ? "" : `${SIGNS[toneOf(status)]} ${spoken(status)}: `
    document.title = `${sign}${id}`
  }, [status, id, isGone])
  return (
    <>
      <header>
        <h1 title={id}>{id}</h1>
        <p role="status" class={`badge ${isGone || status === null ? "plain" : toneOf(status)}`}>
          {status !== null && !isGone && <Mark tone={toneOf(status)} />}
          {isGone ? "no answer" : status === null ? "asking" : spoken(status)}
        </p>
        <span class="soft live">{isGone || known === null ? "" : isTold ? "live" : "every second"}</span>
        {known !== null && <a href="#actions">Actions</a>}
        <button type="button" onClick={() => leave(null)}>
          Forget the token
        </button>
      </header>
      <main>
        {gone !== null && <Gone gone={gone} known={known} now={time} />}
        {known === null && gone === null && <p class="soft">The compute is asked&hellip;</p>}
        {known !== null && (
          <div class={isGone ? "old" : ""}>
            <Glance known={known} now={now} />
            {known.detail.error !== null && <LastError error={known.detail.error} apply={known.apply} />}
            <div class="rooms">
              <Column>
                <Now known={known} now={now} />
                <Apply report={known.apply} detail={known.detail} />
                <Actions api={api} known={known} look={look} />
              </Column>
              <Column>
                <Start known={known} />
                <InUse activity={known.activity} now={now} />
                <Settings known={known} />
                <Storage known={known} />
                <Cache known={known} />
                <Identity known={known} />
              </Column>
            </div>
            <Charts points={points} />
            <div class="rooms">
              <Events history={known.history} />
              <Services detail={known.detail} />
            </div>
          </div>
        )}
      </main>
    </>
  )
}

const Column = ({ children }: { readonly children: ComponentChildren }) => <div>{children}</div>

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
        document.title = "compute"
      }}
    />
  )
}

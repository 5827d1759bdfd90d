/**
 * What is known of the compute, kept fresh: by its events where it sends them, by asking where it does not.
 */
import { useCallback, useEffect, useRef, useState } from "preact/hooks"
import { samplesOf } from "../../../src/domain/observe/Samples.ts"
import type { ComputeStatus } from "../../../src/domain/status/ComputeStatus.ts"
import { type Api, Refused } from "./Api.ts"
import { kept, type Point, point } from "./Charts.tsx"
import type { Known } from "./shapes.ts"

const POLL_MILLIS = 1000
const SLOW_MILLIS = 5000
/** Postgres itself is asked less often: that takes a connection. */
const POSTGRES_MILLIS = 30_000
/** Not more often, however many events come. */
const PAUSE_MILLIS = 150
/** While it works, all that is known of it is asked for each time. */
const BUSY_MILLIS = 500

export interface Watched {
  readonly known: Known | null
  readonly points: ReadonlyArray<Point>
  /** How far the compute's clock is ahead of the page's. */
  readonly ahead: number
  /** Whether it tells by itself what happens. */
  readonly isTold: boolean
  /** Null while the compute answers; else why not, and since when by the page's clock. */
  readonly gone: { readonly reason: string; readonly since: number } | null
  /** The token is not taken. */
  readonly refused: string | null
  /** Looks at once, and at all of it. */
  readonly look: () => void
}

const nothing: Omit<Watched, "look"> = {
  known: null,
  points: [],
  ahead: 0,
  isTold: false,
  gone: null,
  refused: null
}

/** States in which a compute stays. */
const RESTING: ReadonlyArray<ComputeStatus> = ["empty", "running", "failed", "terminated"]

/** What goes on without a change of the state. */
const isAtWork = ({ apply, detail, offload, prewarm }: Known): boolean =>
  !RESTING.includes(detail.status) ||
  apply?.state === "running" ||
  prewarm?.status === "prewarming" ||
  offload?.status === "offloading"

const optional = <A>(answer: Promise<A>): Promise<A | null> => answer.catch(() => null)

/** What can be large is had again when something changed, and slowly otherwise. */
const lookAt = async (api: Api, before: Known | null, isDue: boolean): Promise<Omit<Known, "postgres">> => {
  const detail = await api.get<Known["detail"]>("/status/detail")
  const isSame = before !== null && before.detail.since === detail.since
  if (isSame && !isAtWork(before) && !isDue) return { ...before, detail }
  const [apply, activity, startup, prewarm, offload, history, ready, metrics] = await Promise.all([
    optional(api.get<Known["apply"]>("/apply")),
    optional(api.get<Known["activity"]>("/activity")),
    optional(api.get<Known["startup"]>("/metrics.json")),
    optional(api.get<Known["prewarm"]>("/lfc/prewarm")),
    optional(api.get<Known["offload"]>("/lfc/offload")),
    optional(api.get<Known["history"]>("/history")),
    optional(api.get<Known["ready"]>("/readyz")),
    optional(api.text("/metrics"))
  ])
  const samples = samplesOf(metrics ?? "")
  return { detail, apply, activity, startup, prewarm, offload, history, ready, metrics: samples }
}

const sleep = (millis: number, signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, millis)
    signal.addEventListener("abort", () => {
      clearTimeout(timer)
      resolve()
    })
  })

export const useWatched = (api: Api): Watched => {
  const [watched, setWatched] = useState(nothing)
  const again = useRef(() => {})
  const look = useCallback(() => again.current(), [])
  useEffect(() => {
    const controller = new AbortController()
    const { signal } = controller
    let isTold = false
    let isDueNow = false
    /** Something has happened since the last look began. */
    let isBehind = false
    let wake = () => {}
    again.current = () => {
      isDueNow = true
      wake()
    }
    const pause = (millis: number) =>
      new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, millis)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    const listen = async () => {
      while (!signal.aborted) {
        const heard = () => {
          isTold = true
          isBehind = true
          wake()
        }
        await api.watch(heard, signal).catch(() => undefined)
        isTold = false
        await sleep(SLOW_MILLIS, signal)
      }
    }
    let postgres: Known["postgres"] = null
    let asked = Number.NEGATIVE_INFINITY
    let isAsking = false
    let isOwed = false
    /** Apart from all else: a Postgres that hangs answers after many seconds, or not at all. */
    const askPostgres = async () => {
      if (isAsking) {
        isOwed = true
        return
      }
      isAsking = true
      do {
        isOwed = false
        asked = performance.now()
        const found = await optional(api.get<Known["postgres"]>("/postgres"))
        if (signal.aborted) return
        postgres = found
        setWatched((last) =>
          last.known?.detail.postgres_runs === true ? { ...last, known: { ...last.known, postgres: found } } : last
        )
      } while (isOwed)
      isAsking = false
    }
    const ask = async () => {
      let before: Known | null = null
      let looked = Number.NEGATIVE_INFINITY
      while (!signal.aborted) {
        try {
          const isDue = isDueNow || performance.now() - looked >= SLOW_MILLIS
          const isWanted = isDueNow
          isDueNow = false
          isBehind = false
          const found = await lookAt(api, before, isDue)
          if (isDue) looked = performance.now()
          const { postgres_runs, since } = found.detail
          if (!postgres_runs) postgres = null
          else if (isWanted || before?.detail.since !== since) void askPostgres()
          else if (!isAsking && (postgres === null || performance.now() - asked >= POSTGRES_MILLIS)) void askPostgres()
          const known: Known = { ...found, postgres }
          before = known
          if (signal.aborted) return
          const ahead = Date.parse(known.detail.now) - Date.now()
          setWatched(({ points }) => ({
            known,
            points: isDue ? kept(points, point(known)) : points,
            ahead,
            isTold,
            gone: null,
            refused: null
          }))
        } catch (error) {
          if (signal.aborted) return
          const { message, status } = error instanceof Refused ? error : new Refused(0, String(error))
          if (status === 401 || status === 403) return setWatched({ ...nothing, refused: message })
          setWatched((last) => ({
            ...last,
            isTold: false,
            gone: { reason: message, since: last.gone?.since ?? Date.now() }
          }))
        }
        const isBusy = before !== null && isAtWork(before)
        await sleep(isBusy ? BUSY_MILLIS : PAUSE_MILLIS, signal)
        if (isDueNow || isBehind) continue
        await pause(isTold && !isBusy ? SLOW_MILLIS : POLL_MILLIS)
      }
    }
    void listen()
    void ask()
    return () => {
      controller.abort()
      wake()
    }
  }, [api])
  return { ...watched, look }
}

/**
 * What is known of the compute, kept fresh: by its events where it sends them, by asking where it does not.
 */
import { useEffect, useState } from "preact/hooks"
import { samplesOf } from "../../../src/domain/observe/Samples.ts"
import { type Api, Refused } from "./Api.ts"
import { kept, type Point, point } from "./Charts.tsx"
import type { Known } from "./shapes.ts"

const POLL_MILLIS = 1000
const SLOW_MILLIS = 5000
/** Not more often, however many events come. */
const PAUSE_MILLIS = 150

export interface Watched {
  readonly known: Known | null
  readonly points: ReadonlyArray<Point>
  /** How far the compute's clock is ahead of the page's. */
  readonly ahead: number
  /** Null while the compute answers. */
  readonly gone: string | null
  /** The token is not taken. */
  readonly refused: string | null
}

const nothing: Watched = { known: null, points: [], ahead: 0, gone: null, refused: null }

const optional = <A>(answer: Promise<A>): Promise<A | null> => answer.catch(() => null)

/** What can be large is had again when something changed, and slowly otherwise. */
const look = async (api: Api, before: Known | null, isDue: boolean): Promise<Known> => {
  const detail = await api.get<Known["detail"]>("/status/detail")
  const isSame = before !== null && before.detail.since === detail.since && before.apply?.state !== "running"
  if (isSame && !isDue) return { ...before, detail }
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
  return { detail, apply, activity, startup, prewarm, offload, history, ready, metrics: samplesOf(metrics ?? "") }
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
  useEffect(() => {
    const controller = new AbortController()
    let pushed = false
    let wake = () => {}
    const changed = () => wake()
    const pause = (millis: number) =>
      new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, millis)
        wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    const listen = async () => {
      while (!controller.signal.aborted) {
        await api
          .watch(() => {
            pushed = true
            changed()
          }, controller.signal)
          .catch(() => undefined)
        pushed = false
        await sleep(SLOW_MILLIS, controller.signal)
      }
    }
    const ask = async () => {
      let before: Known | null = null
      let looked = Number.NEGATIVE_INFINITY
      while (!controller.signal.aborted) {
        try {
          const isDue = performance.now() - looked >= SLOW_MILLIS
          const known: Known = await look(api, before, isDue)
          if (isDue) looked = performance.now()
          before = known
          if (controller.signal.aborted) return
          const ahead = Date.parse(known.detail.now) - Date.now()
          setWatched(({ points }) => ({
            known,
            points: isDue ? kept(points, point(known)) : points,
            ahead,
            gone: null,
            refused: null
          }))
        } catch (error) {
          if (controller.signal.aborted) return
          const { message, status } = error instanceof Refused ? error : new Refused(0, String(error))
          if (status === 401 || status === 403) return setWatched({ ...nothing, refused: message })
          setWatched((before) => ({ ...before, gone: message }))
        }
        await sleep(PAUSE_MILLIS, controller.signal)
        await pause(pushed ? SLOW_MILLIS : POLL_MILLIS)
      }
    }
    void listen()
    void ask()
    return () => {
      controller.abort()
      wake()
    }
  }, [api])
  return watched
}

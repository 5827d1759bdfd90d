/**
 * `compute_ctl top`: a line for each of many computes.
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import { kebab } from "../../../domain/status/ComputeStatus.ts"
import type { Status, StatusDetail } from "../../../http/api/shapes/StatusDetail.ts"
import type { Refused, Target, Unreachable, Unreadable } from "../../../http/client.ts"
import { wallMillis } from "../../../layers/compute/clock/WallClock.ts"
import { UsageError } from "../../flags.ts"
import { columns, print, repaint } from "../../output.ts"
import { duration } from "../../terminal/duration.ts"
import { harmless } from "../../terminal/harmless.ts"
import { byState, ofTerminal, type Paint, plain } from "../../terminal/Paint.ts"
import { onOneLine, table } from "../../terminal/table.ts"
import { readFile } from "../documents/document.ts"
import { exitCodeOf, FAILED, OTHERWISE, RUNNING } from "./status.ts"
import { addressOf, hint, type TokenOptions, tokenOf } from "./target.ts"

/** Asked at the same time. */
const AT_ONCE = 16
const PATIENCE = "5 seconds"
const PERIOD = "2 seconds"
/** So that the first screen has those that answer at once. */
const FIRST = "300 millis"

export interface TopOptions extends TokenOptions {
  readonly url: ReadonlyArray<string>
  readonly file: string | null
  readonly json: boolean
  readonly watch: boolean
}

export interface Seen {
  readonly url: string
  readonly found: Status | StatusDetail | null
  /** Why it could not be asked. */
  readonly error: string | null
  /** Where it could not be asked: it answered, but not so. */
  readonly refused?: boolean
  /** What can be done about that. */
  readonly tip?: string | null
}

/** In few words, since others stand beside it; without the address, which stands at the line's beginning. */
const shortly = (error: Unreachable | Refused | Unreadable): string => {
  switch (error._tag) {
    case "Unreachable":
      return /ECONNREFUSED/.test(error.reason) ? "connection refused" : error.reason
    case "Refused":
      return `answered ${error.status}${error.error === "" ? "" : `: ${error.error}`}`
    case "Unreadable":
      return "no compute's answer"
  }
}

const look = (target: Target): Effect.Effect<Seen> =>
  Effect.gen(function* () {
    const { standing } = yield* Effect.promise(() => import("../../../http/client.ts"))
    return yield* standing(target)
  }).pipe(
    Effect.match({
      onFailure: (error) => ({
        url: target.url,
        found: null,
        error: shortly(error),
        refused: error._tag !== "Unreachable",
        tip: hint(error, target)
      }),
      onSuccess: (found) => ({ url: target.url, found, error: null })
    })
  )

const rowOf = ({ error, found, refused, url }: Seen, now: number, paint: Paint): ReadonlyArray<string> => {
  const place = url.replace(/^https?:\/\//, "")
  if (found === null) {
    const state = error === null ? paint.dim("asking") : byState(paint, refused === true ? "refused" : "unreachable")
    return [place, "", state, "", "", paint.bad(onOneLine(error ?? ""))]
  }
  const detail = "waits" in found ? found : null
  const clock = detail === null ? now : Date.parse(detail.now)
  const since = (time: string | null) => (time === null ? "never" : duration(clock - Date.parse(time)))
  const waits = detail?.waits.map(({ name }) => name).join(", ") ?? ""
  return [
    place,
    detail?.compute_id ?? "",
    byState(paint, kebab(found.status)),
    since(detail?.since ?? found.start_time),
    since(found.last_active),
    found.error === null ? waits : paint.bad(harmless(found.error.split("\n")[0] ?? ""))
  ]
}

const HEAD = ["where", "compute", "status", "for", "last active", "waits for, or error"]

export const topText = (all: ReadonlyArray<Seen>, now: number, paint: Paint = plain, room: number | null = null) =>
  [
    ...table(
      all.map((seen) => rowOf(seen, now, paint)),
      room,
      paint,
      HEAD
    ),
    ...[...new Set(all.flatMap(({ tip }) => (tip == null ? [] : [tip])))].map((tip) => paint.dim(`tip: ${tip}`))
  ].join("\n")

/** The worst of them. */
const exitCode = (all: ReadonlyArray<Seen>): number => {
  const codes = all.map(({ found }) => (found === null ? FAILED : exitCodeOf(found.status)))
  return codes.includes(FAILED) ? FAILED : codes.includes(OTHERWISE) ? OTHERWISE : RUNNING
}

/** A line each; empty ones and those that begin with `#` are not read. */
const addressesIn = (file: string, text: string): Effect.Effect<ReadonlyArray<string>, UsageError> =>
  Effect.forEach(
    text.split("\n").flatMap((line, index) => {
      const address = line.trim()
      return address === "" || address.startsWith("#") ? [] : [[index + 1, address] as const]
    }),
    ([line, address]) =>
      Effect.mapError(
        Effect.fromResult(addressOf(address)),
        (message) => new UsageError({ message: `${file}: line ${line}: ${message}` })
      )
  )

const LINES = "a line each, as 10.0.0.7:3080"

/** Each is asked in its own time: one that is slow keeps none of the others. Without end. */
const watch = Effect.fnUntraced(function* (
  urls: ReadonlyArray<string>,
  ask: (url: string) => Effect.Effect<Seen>,
  show: (all: ReadonlyArray<Seen>) => Effect.Effect<void>
) {
  const seen = new Map<string, Seen>(urls.map((url) => [url, { url, found: null, error: null }]))
  const places = yield* Semaphore.make(AT_ONCE)
  const following = Effect.forEach(
    urls,
    (url) =>
      Semaphore.withPermits(
        places,
        1
      )(ask(url)).pipe(
        Effect.tap((one) => Effect.sync(() => seen.set(url, one))),
        Effect.repeat(Schedule.spaced(PERIOD))
      ),
    { concurrency: "unbounded", discard: true }
  )
  const showing = Effect.suspend(() => show([...seen.values()])).pipe(Effect.repeat(Schedule.spaced(PERIOD)))
  return yield* Effect.raceFirst(following, Effect.delay(showing, FIRST)).pipe(Effect.andThen(Effect.never))
})

export const top = Effect.fnUntraced(function* (given: TopOptions) {
  const token = yield* tokenOf(given)
  const listed = given.file === null ? [] : yield* addressesIn(given.file, yield* readFile(given.file))
  const urls = [...new Set([...given.url, ...listed])]
  if (urls.length === 0) return yield* new UsageError({ message: `${given.file ?? "-"} has no addresses`, hint: LINES })
  const ask = (url: string) => look({ url, token, limit: PATIENCE })
  const screen = (all: ReadonlyArray<Seen>) =>
    given.json
      ? Effect.succeed(JSON.stringify(all, null, 2))
      : Effect.map(wallMillis, (now) => topText(all, now, ofTerminal(), columns()))
  if (given.watch) return yield* watch(urls, ask, (all) => Effect.flatMap(screen(all), given.json ? print : repaint))
  const all = yield* Effect.forEach(urls, ask, { concurrency: AT_ONCE })
  yield* Effect.flatMap(screen(all), print)
  return exitCode(all)
})

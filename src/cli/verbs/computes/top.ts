/**
 * `compute_ctl top`: a line for each of many computes.
 */
import * as Effect from "effect/Effect"
import { kebab } from "../../../domain/status/ComputeStatus.ts"
import type { Status, StatusDetail } from "../../../http/api/shapes/StatusDetail.ts"
import type { Target } from "../../../http/client.ts"
import { wallMillis } from "../../../layers/compute/clock/WallClock.ts"
import { UsageError } from "../../flags.ts"
import { ANEW, columns, isTerminal, print } from "../../output.ts"
import { duration } from "../../terminal/duration.ts"
import { byState, ofTerminal, type Paint, plain } from "../../terminal/Paint.ts"
import { harmless, table } from "../../terminal/table.ts"
import { readFile } from "../documents/document.ts"
import { exitCodeOf } from "./status.ts"
import { addressOf, type TokenOptions, tokenOf } from "./target.ts"

const RUNNING = 0
const FAILED = 1
const OTHERWISE = 3

/** Asked at the same time. */
const AT_ONCE = 16
const PATIENCE = "5 seconds"
const PERIOD = "2 seconds"

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
}

const look = (target: Target): Effect.Effect<Seen> =>
  Effect.gen(function* () {
    const client = yield* Effect.promise(() => import("../../../http/client.ts"))
    return (yield* client.statusDetail(target)) ?? (yield* client.status(target))
  }).pipe(
    Effect.match({
      onFailure: (error) => ({ url: target.url, found: null, error: error.message.replace(`${target.url} `, "") }),
      onSuccess: (found) => ({ url: target.url, found, error: null })
    })
  )

const rowOf = ({ error, found, url }: Seen, now: number, paint: Paint): ReadonlyArray<string> => {
  const place = url.replace(/^https?:\/\//, "")
  if (found === null) return [place, "", byState(paint, "unreachable"), "", "", harmless(error ?? "")]
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

const HEAD = ["where", "compute", "status", "for", "last active", "waits for"]

export const topText = (all: ReadonlyArray<Seen>, now: number, paint: Paint = plain, room: number | null = null) =>
  table(
    all.map((seen) => rowOf(seen, now, paint)),
    room,
    paint,
    HEAD
  ).join("\n")

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

export const top = Effect.fnUntraced(function* (given: TopOptions) {
  const token = yield* tokenOf(given)
  const listed = given.file === null ? [] : yield* addressesIn(given.file, yield* readFile(given.file))
  const urls = [...new Set([...given.url, ...listed])]
  const round = Effect.gen(function* () {
    const all = yield* Effect.forEach(urls, (url) => look({ url, token, limit: PATIENCE }), { concurrency: AT_ONCE })
    const screen = topText(all, yield* wallMillis, ofTerminal(), columns())
    yield* print(given.json ? JSON.stringify(all, null, 2) : given.watch && isTerminal() ? `${ANEW}${screen}` : screen)
    return exitCode(all)
  })
  while (given.watch) {
    yield* round
    yield* Effect.sleep(PERIOD)
  }
  return yield* round
})

/**
 * `compute_ctl history`: what has happened to a compute: changes of its status, applies, refreshes.
 */
import * as Effect from "effect/Effect"
import { read } from "../../../domain/json/Json.ts"
import { child, type JsonValue } from "../../../domain/json/JsonValue.ts"
import { columns, complain, print } from "../../output.ts"
import { byState, ofTerminal, type Paint, plain } from "../../terminal/Paint.ts"
import { onOneLine, table } from "../../terminal/table.ts"
import { ask } from "./ask.ts"
import { type AskOptions, asking } from "./asking.ts"

/** Members only get more: what is not known is left out, and what is there is shown. */
const textOf = (event: JsonValue, name: string): string => {
  const value = child(event, name)
  return typeof value === "string" ? onOneLine(value) : ""
}

const what = (event: JsonValue, paint: Paint): string => {
  const outcome = [textOf(event, "status"), textOf(event, "state"), textOf(event, "outcome")].find(
    (word) => word !== ""
  )
  const painted = byState(paint, outcome ?? "")
  const from = textOf(event, "from")
  const trigger = textOf(event, "trigger")
  return [trigger, from === "" ? "" : `${from} ->`, painted].filter((word) => word !== "").join(" ")
}

const why = (event: JsonValue, paint: Paint): string => {
  const duration = child(event, "duration_ms")
  const took = typeof duration === "number" ? `${Math.round(duration)} ms` : ""
  const error = textOf(event, "error")
  return [textOf(event, "cause"), took, error === "" ? "" : paint.bad(error)].filter((word) => word !== "").join(", ")
}

const eventsOf = (value: JsonValue | undefined): ReadonlyArray<JsonValue> => {
  const list = Array.isArray(value) ? value : child(value, "events")
  return Array.isArray(list) ? list : []
}

export const historyText = (text: string, paint: Paint = plain, room: number | null = null): string => {
  const events = eventsOf(read(text).value)
  if (events.length === 0) return "nothing has happened yet"
  const rows = events.map((event) => [
    textOf(event, "at"),
    textOf(event, "kind"),
    what(event, paint),
    why(event, paint)
  ])
  return table(rows, room, paint, ["at", "kind", "what", "why"]).join("\n")
}

export const history = (given: AskOptions) =>
  asking(given, (target) =>
    Effect.gen(function* () {
      const text = yield* ask(target, "/history")
      yield* print(given.json ? text.trimEnd() : historyText(text, ofTerminal(), columns()))
      return 0
    }).pipe(
      Effect.catchIf(
        (error) => error._tag === "Refused" && error.status === 404,
        () => Effect.as(complain(`Error: ${target.url} keeps no history: it is an older build, or another program`), 1)
      )
    )
  )

/**
 * `compute_ctl apply`: the apply of the catalog that runs, or the last one, and the last reconfiguration.
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Apply } from "../../../http/api/catalog.ts"
import { columns, print } from "../../output.ts"
import { harmless } from "../../terminal/harmless.ts"
import { byState, ofTerminal, type Paint, plain } from "../../terminal/Paint.ts"
import { row, type Section, sections } from "../../terminal/sections.ts"
import { onOneLine, table } from "../../terminal/table.ts"
import { askFor } from "./ask.ts"
import { type AskOptions, asking } from "./asking.ts"

type Applied = typeof Apply.Type
type Step = NonNullable<Applied["phases"]>[number]["steps"][number]

const DONE = 0
const FAILED = 1
const UNDER_WAY = 3

const milliseconds = (count: number | null | undefined): string =>
  count === null || count === undefined ? "" : `${Math.round(count)} ms`

const summary = (apply: Applied, paint: Paint): Section => ({
  title: "Last apply",
  lines:
    apply.state === undefined
      ? row("state", "there was none")
      : [
          ...row("state", `${byState(paint, apply.state)} ${milliseconds(apply.duration_ms)}`.trimEnd()),
          ...row("at", `${apply.trigger ?? ""} ${apply.started_at ?? ""}`.trim()),
          ...row("databases", `${apply.databases_visited ?? 0} visited, ${apply.databases_settled ?? 0} settled`),
          ...(apply.subscriptions_pending === true ? row("subscriptions", paint.warn("still to be dropped")) : []),
          ...(typeof apply.error === "string" ? row("error", paint.bad(harmless(apply.error))) : []),
          ...(apply.warnings ?? []).flatMap((warning) => row("warning", paint.warn(onOneLine(warning))))
        ]
})

const counted = (steps: ReadonlyArray<Step>): string => {
  const of = (state: Step["state"]) => steps.filter((step) => step.state === state).length
  return (["done", "failed", "skipped", "pending"] as const)
    .flatMap((state) => (of(state) === 0 ? [] : [`${of(state)} ${state}`]))
    .join(", ")
}

const phases = ({ phases = [] }: Applied, paint: Paint, room: number | null): Section => ({
  title: "Phases",
  lines: table(
    phases.map(({ duration_ms, phase, state, steps }) => [
      phase,
      byState(paint, state),
      milliseconds(duration_ms),
      counted(steps)
    ]),
    room,
    paint
  )
})

const failures = ({ phases = [] }: Applied, paint: Paint, room: number | null): Section => ({
  title: "Steps that failed",
  lines: phases.flatMap(({ steps }) =>
    steps.flatMap(({ blocked_by, database, error, object }) => {
      if (error === null) return []
      const where = database === null ? object : `${object} in ${JSON.stringify(database)}`
      const code = error.sqlstate === null ? "" : `${error.sqlstate}: `
      return [
        ...table([[onOneLine(where), paint.bad(`${code}${onOneLine(error.message)}`)]], room, paint),
        ...(error.hint === null ? [] : row("  hint", onOneLine(error.hint))),
        ...(blocked_by.length === 0 ? [] : row("  blocked by", `${blocked_by.length} sessions`))
      ]
    })
  )
})

const reconfiguration = ({ reconfiguration }: Applied, paint: Paint): Section => ({
  title: "Last reconfiguration",
  lines:
    reconfiguration === null
      ? []
      : [
          ...row(
            "state",
            reconfiguration.error === null
              ? `${paint.good("done")} ${milliseconds(reconfiguration.duration_ms)}`
              : paint.bad(harmless(reconfiguration.error))
          ),
          ...(reconfiguration.pending_restart.length === 0
            ? []
            : row("restart", paint.warn(`waits for one: ${reconfiguration.pending_restart.join(", ")}`))),
          ...reconfiguration.refused_settings
            .filter(({ waits_for_restart }) => !waits_for_restart)
            .flatMap(({ name, reason }) => row("refused", paint.bad(`${name ?? "?"}: ${onOneLine(reason)}`)))
        ]
})

export const applyText = (apply: Applied, paint: Paint = plain, room: number | null = null): string =>
  sections(
    [
      summary(apply, paint),
      phases(apply, paint, room === null ? null : room - 2),
      failures(apply, paint, room === null ? null : room - 2),
      reconfiguration(apply, paint)
    ],
    paint,
    room
  )

const exitCode = (apply: Applied | null): number =>
  apply?.state === "failed" ? FAILED : apply?.state === "running" ? UNDER_WAY : DONE

export const apply = (given: AskOptions) =>
  asking(given, (target) =>
    Effect.gen(function* () {
      const found = yield* askFor(Schema.NullOr(Apply), target, "/apply")
      if (given.json) yield* print(JSON.stringify(found, null, 2))
      else if (found === null) yield* print("nothing was applied yet")
      else yield* print(applyText(found, ofTerminal(), columns()))
      return exitCode(found)
    })
  )

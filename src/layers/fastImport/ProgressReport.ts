/**
 * Tells how far the job is: a log line with counts every few seconds, and on a terminal a line that changes.
 */
import { writeSync } from "node:fs"
import { isatty } from "node:tty"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { type Progress, sentence } from "../../domain/fastImport/Progress.ts"
import { printable } from "../../domain/observe/LogLine.ts"

const STDERR = 2
const LOG_EVERY = "5 seconds"
const SHOW_EVERY = "250 millis"
/** Columns of a terminal that does not say. */
const WIDTH = 79

export class ProgressReport extends Context.Service<
  ProgressReport,
  {
    /** What is known now; told when it is time to. */
    readonly set: (progress: Progress) => Effect.Effect<void>
    /** The end of a phase is told at once. */
    readonly finish: (progress: Progress) => Effect.Effect<void>
  }
>()("fastImport/ProgressReport") {
  static readonly layer = Layer.effect(this, Effect.gen(make))
}

const tell = ({ measure, phase }: Progress) => Effect.annotateLogs(Effect.logInfo(`${phase} in progress`), measure)

const show = (text: string) =>
  Effect.sync(() => {
    try {
      writeSync(STDERR, `\r\u001b[2K${text}`)
    } catch {
      // A terminal that does not take it now gets the next one.
    }
  })

function* make() {
  let latest: Progress | null = null
  let told: Progress | null = null
  const changed = Effect.suspend(() => {
    if (latest === null || latest === told) return Effect.void
    told = latest
    return tell(latest)
  })
  yield* Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(LOG_EVERY), changed)))
  if (isatty(STDERR)) {
    const line = Effect.suspend(() =>
      latest === null ? Effect.void : show(printable(sentence(latest)).slice(0, WIDTH))
    )
    yield* Effect.acquireRelease(
      Effect.forkScoped(Effect.forever(Effect.andThen(Effect.sleep(SHOW_EVERY), line))),
      () => show("")
    )
  }
  const set = (progress: Progress) =>
    Effect.sync(() => {
      latest = progress
    })
  return ProgressReport.of({ set, finish: (progress) => Effect.andThen(set(progress), changed) })
}

/**
 * `compute_ctl diff`: what a reconfiguration from one configuration to another would change.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { check } from "../../../domain/conf/Check.ts"
import { type Change, type Difference, difference, isEmpty, type Side } from "../../../domain/conf/Difference.ts"
import { render } from "../../../domain/conf/PostgresConf.ts"
import { effectiveTls } from "../../../domain/spec/ParsedSpec.ts"
import { UsageError } from "../../flags.ts"
import { columns, complain, print } from "../../output.ts"
import { harmless } from "../../terminal/harmless.ts"
import { ofTerminal, type Paint, plain } from "../../terminal/Paint.ts"
import { sections } from "../../terminal/sections.ts"
import { table } from "../../terminal/table.ts"
import { contextOf, faultLine, readFile } from "./document.ts"

const SAME = 0
const UNREADABLE = 1
const DIFFERENT = 3

export interface DiffOptions {
  /** The old one and the new one. */
  readonly config: ReadonlyArray<string>
  readonly internalHttpPort: number
  readonly privilegedRole: string
  readonly json: boolean
}

const sideOf = (file: string, text: string, given: DiffOptions): Result.Result<Side, string> => {
  const context = contextOf(given)
  return Result.gen(function* () {
    const { config, spec } = yield* Result.mapError(check("config", text, { ...context, tls: false }), (faults) =>
      faults.map((fault) => faultLine(file, fault)).join("\n")
    )
    if (spec === null) return yield* Result.fail(`${file}: there is no spec`)
    const tls = effectiveTls(spec.spec, config.compute_ctl_config.tls) !== null
    const conf = yield* Result.mapError(render(spec.spec, { ...context, tls }), ({ message }) => `${file}: ${message}`)
    return { config, spec: spec.spec, conf }
  })
}

const lines = (changes: ReadonlyArray<Change>, paint: Paint, room: number | null) =>
  table(
    changes.map(({ from, to, what }) => [
      harmless(what),
      from === null ? "" : paint.bad(harmless(from)),
      to === null ? paint.bad("(gone)") : paint.good(harmless(to))
    ]),
    room === null ? null : room - 2,
    paint,
    ["", "now", "then"]
  )

const diffText = (found: Difference, paint: Paint = plain, room: number | null = null): string => {
  const takenBy = (kind: Difference["settings"][number]["taken_by"]) =>
    lines(
      found.settings.filter(({ taken_by }) => taken_by === kind),
      paint,
      room
    )
  return sections(
    [
      { title: "Settings that wait for a restart", lines: takenBy("restart") },
      { title: "Settings that a reload takes", lines: takenBy("reload") },
      { title: "Settings of extensions: a reload, unless the extension wants a restart", lines: takenBy("extension") },
      { title: "Roles", lines: lines(found.roles, paint, room) },
      { title: "Databases", lines: lines(found.databases, paint, room) },
      { title: "Operations", lines: found.operations.map(harmless) },
      { title: "Peers", lines: lines(found.peers, paint, room) },
      { title: "Others", lines: lines(found.others, paint, room) }
    ],
    paint,
    room
  )
}

export const diff = Effect.fnUntraced(function* (given: DiffOptions) {
  const [from, to] = given.config
  if (from === undefined || to === undefined) return yield* new UsageError({ message: "give --config FILE twice" })
  const read = (file: string) => Effect.map(readFile(file), (text) => sideOf(file, text, given))
  const sides = Result.all([yield* read(from), yield* read(to)])
  if (Result.isFailure(sides)) return yield* Effect.as(complain(sides.failure), UNREADABLE)
  const found = difference(sides.success[0], sides.success[1])
  const empty = isEmpty(found)
  if (given.json) yield* print(JSON.stringify(found, null, 2))
  else yield* print(empty ? "nothing to change" : diffText(found, ofTerminal(), columns()))
  return empty ? SAME : DIFFERENT
})

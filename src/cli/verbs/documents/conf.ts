/**
 * `compute_ctl conf`: the `postgresql.conf` that a start would write.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { check, unreadable } from "../../../domain/conf/Check.ts"
import { render } from "../../../domain/conf/PostgresConf.ts"
import { effectiveTls } from "../../../domain/spec/ParsedSpec.ts"
import { complain, write } from "../../output.ts"
import { type DocumentOptions, type ReadDocument, readDocument } from "./document.ts"

const show = ({ document, file, text, context }: ReadDocument): Effect.Effect<number> => {
  const checked = check(document, text, { ...context, tls: false })
  if (Result.isFailure(checked)) {
    const lines = checked.failure.map(({ message }) => `${file}: ${message}`)
    return Effect.as(complain(lines.join("\n")), 1)
  }
  const { config, spec } = checked.success
  if (spec === null) return Effect.as(complain(`${file}: there is no spec, so nothing would be written yet`), 1)
  const tls = effectiveTls(spec.spec, config.compute_ctl_config.tls) !== null
  return Result.match(render(spec.spec, { ...context, tls }), {
    onFailure: ({ message }) => Effect.as(complain(`${file}: ${message}`), 1),
    onSuccess: (rendered) => {
      const fault = unreadable(checked.success)
      const warned = fault === null ? Effect.void : complain(`warning: ${file}: ${fault.message}`)
      return Effect.andThen(warned, Effect.as(write(rendered), 0))
    }
  })
}

export const conf = (given: DocumentOptions) => Effect.flatMap(readDocument(given), show)

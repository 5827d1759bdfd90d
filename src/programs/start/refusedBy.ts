/**
 * What a given Postgres would refuse of a spec's configuration, before anything runs.
 */
import * as Effect from "effect/Effect"
import type { Checked } from "../../domain/conf/Check.ts"
import type { Fault } from "../../domain/conf/Fault.ts"
import { type ConfContext, render } from "../../domain/conf/PostgresConf.ts"
import { faultOf } from "../../domain/conf/Refusals.ts"
import { Children } from "../../layers/machine/child/Children.ts"
import { refusals } from "../../layers/postgres/refusals.ts"

/** Each with its JSON path. Fails when that Postgres cannot be asked. */
export const refusedBy = Effect.fnUntraced(function* ({ spec }: Checked, pgbin: string, context: ConfContext) {
  if (spec === null) return [] as ReadonlyArray<Fault>
  const children = yield* Children
  const text = yield* Effect.fromResult(render(spec.spec, context))
  const downloaded = new Set(Object.keys(spec.spec.remote_extensions?.library_index ?? {}))
  const found = yield* refusals(children, pgbin, text, downloaded)
  return found.map((refusal) => faultOf(spec.spec, text, refusal))
})

/**
 * Databases that this process has left as the spec wants them. As long as the same server runs and a database keeps its
 * oid and owner, a look into it is most likely all that a reconfiguration needs.
 */
import * as Effect from "effect/Effect"
import type { DraftDatabase } from "../../../domain/catalog/plan/Draft.ts"

export interface Settled {
  /** What is known about the server that started at `started`; of an earlier server nothing is. */
  readonly during: (started: string) => Effect.Effect<{
    /** `circumstances`: whatever else the work depends on. */
    readonly has: (row: Pick<DraftDatabase, "oid" | "owner">, circumstances: string) => boolean
    readonly add: (oid: number, owner: string, circumstances: string) => Effect.Effect<void>
    /** Those whose inherited subscriptions have been dealt with. */
    readonly cleaned: ReadonlySet<number>
    readonly clean: (oids: ReadonlyArray<number>) => Effect.Effect<void>
  }>
}

export const makeSettled: Effect.Effect<Settled> = Effect.sync(() => {
  const known = new Map<number, string>()
  const cleaned = new Set<number>()
  let server = ""
  const key = (owner: string, circumstances: string) => `${circumstances} ${owner}`
  return {
    during: (started) =>
      Effect.sync(() => {
        if (server !== started) {
          known.clear()
          cleaned.clear()
        }
        server = started
        return {
          has: ({ oid, owner }, circumstances) => oid !== null && known.get(oid) === key(owner, circumstances),
          add: (oid, owner, circumstances) => Effect.sync(() => void known.set(oid, key(owner, circumstances))),
          cleaned,
          clean: (oids) =>
            Effect.sync(() => {
              for (const oid of oids) cleaned.add(oid)
            })
        }
      })
  }
})

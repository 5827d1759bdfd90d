/**
 * NUL characters in a document. Postgres, the file system and the environment of a process end a text there, so that what
 * was checked is not what is used.
 */

import { JsonFloat, type JsonValue } from "./JsonValue.ts"
import type { JsonRead } from "./read/JsonRead.ts"
import type { Steps } from "./Steps.ts"

export interface NulFault {
  readonly keys: ReadonlyArray<string | number>
  readonly reason: string
  readonly offset: number
}

/** Containers between two pauses. */
const STEP = 1000

/** Texts and names of members that have one, as the reader came upon them, with the keys that lead there. */
export function* nulFaults({ nuls, value }: JsonRead): Steps<ReadonlyArray<NulFault>> {
  if (nuls.length === 0) return []
  const wanted = new Set(nuls.map(({ container }) => container))
  const paths = new Map<JsonValue | null, NulFault["keys"]>([[null, []]])
  let visited = 0
  function* visit(container: JsonValue, keys: NulFault["keys"]): Steps<void> {
    if (typeof container !== "object" || container === null || container instanceof JsonFloat) return
    if (++visited % STEP === 0) yield
    if (wanted.has(container)) paths.set(container, keys)
    const numbered = Array.isArray(container)
    for (const [name, member] of Object.entries(container))
      yield* visit(member, [...keys, numbered ? Number(name) : name])
  }
  if (value !== undefined) yield* visit(value, [])
  return nuls.flatMap(({ container, key, offset }): ReadonlyArray<NulFault> => {
    const keys = paths.get(container)
    if (keys === undefined) return []
    return key === null
      ? [{ keys, reason: "the name of a member contains a NUL character", offset }]
      : [{ keys: container === null ? [] : [...keys, key], reason: "the text contains a NUL character", offset }]
  })
}

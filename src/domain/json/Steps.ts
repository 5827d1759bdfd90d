/**
 * Long lists, gone through in steps.
 */
import type { Steps } from "./Json.ts"

/** Items between two pauses. */
const STEP = 500

/** As `list.flatMap(each)`. */
export function* flatMapSteps<A, B>(
  list: Iterable<A>,
  each: (item: A, index: number) => ReadonlyArray<B>
): Steps<ReadonlyArray<B>> {
  const result: Array<B> = []
  let index = 0
  for (const item of list) {
    for (const one of each(item, index)) result.push(one)
    if (++index % STEP === 0) yield
  }
  return result
}

/**
 * Work that may take long, in steps.
 */

/** Work in steps of a millisecond or so: whoever runs it may do something else in between. */
export type Steps<A> = Generator<void, A>

/** All steps at once. */
export const run = <A>(steps: Steps<A>): A => {
  for (;;) {
    const { done, value } = steps.next()
    if (done === true) return value
  }
}

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

// Where two builds of the same sources differ, in a sentence.

const WHY =
  "the heap snapshot in it holds what V8 chose while it was made: hash seeds, addresses, the order in which code was compiled"

/**
 * @param {Buffer} one
 * @param {Buffer} other
 */
export const difference = (one, other) => {
  if (one.equals(other)) return "two builds have the same bytes"
  const shorter = Math.min(one.length, other.length)
  let first = -1
  let last = -1
  let count = Math.abs(one.length - other.length)
  for (let at = 0; at < shorter; at++) {
    if (one[at] === other[at]) continue
    if (first < 0) first = at
    last = at
    count += 1
  }
  if (first < 0) return `two builds differ: one goes on for ${count} bytes where the other ends`
  return `two builds differ in ${count} of ${Math.max(one.length, other.length)} bytes, between ${first} and ${last}: ${WHY}`
}

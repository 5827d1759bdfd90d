// Where two builds of the same sources differ, in a sentence.
import { snapshotIn } from "../shorten.mjs"

// Tried: of a program that has not rehearsed two snapshots differ in 9 bytes once V8 has the same seed both times
// (`--random-seed`), its checksum among them. With the rehearsal no flag of V8 and no fixed addresses make them the same.
const WHY =
  "it holds the bytecode of a rehearsed start, compiled as sockets and processes answered, and tables in the order of V8's seed"

/** Bytes at the same places, the first and the last of them; what one has beyond the other counts whole. */
const compared = (one, other) => {
  const shorter = Math.min(one.length, other.length)
  const longer = Math.max(one.length, other.length)
  let [first, last, count] = [-1, -1, longer - shorter]
  for (let at = 0; at < shorter; at++) {
    if (one[at] === other[at]) continue
    if (first < 0) first = at
    last = at
    count += 1
  }
  return { count, first: first < 0 ? shorter : first, last: longer > shorter ? longer - 1 : last }
}

const span = ({ count, first, last }) => `${count} bytes, between ${first} and ${last}`

/** Headers of the file, of the note and of the program that tell how long a snapshot is: no more bytes than these. */
const TELL_LENGTHS = 64

/**
 * @param {Buffer} one
 * @param {Buffer} other
 */
export const difference = (one, other) => {
  if (one.equals(other)) return "two builds have the same bytes"
  const [here, there] = [snapshotIn(one), snapshotIn(other)]
  if (here === undefined || there === undefined) return `two builds differ in ${span(compared(one, other))}`
  const part = (from, to) => compared(one.subarray(here[from], here[to]), other.subarray(there[from], there[to]))
  const [before, inside, behind] = [part("start", "from"), part("from", "to"), part("to", "end")]
  const isOfLengths = here.to !== there.to && before.count <= TELL_LENGTHS
  const rest = behind.count + (isOfLengths ? 0 : before.count)
  const lengths = isOfLengths ? `, but for ${before.count} bytes that tell how long it is` : ""
  return [
    `two builds differ in their heap snapshots, ${inside.count} of ${here.to - here.from} and ${there.to - there.from} bytes: ${WHY};`,
    rest === 0 ? `all around it is the same${lengths}` : `and in ${rest} bytes around it, from ${before.first} on`
  ].join(" ")
}

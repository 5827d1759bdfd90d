// The compiled code of the runtime's own modules, which the builder puts beside the heap: all of them, megabytes that each
// process copies into its memory. Those of the heap have theirs in it; of the others a compute loads a few.
import * as fs from "node:fs"

/** What the snapshot cannot hold and a process may load: HTTP in its versions, and what that loads. */
const kept = new Set([
  ...["http", "_http_agent", "_http_client", "_http_common", "_http_incoming", "_http_outgoing", "_http_server"],
  ...["https", "http2", "tls", "_tls_common"],
  ...["assert", "internal/assert/assertion_error", "internal/assert/myers_diff", "internal/assert/utils"],
  ...["internal/errors/error_source", "internal/freelist", "internal/http", "internal/http2/compat"],
  ...["internal/http2/core", "internal/http2/util", "internal/js_stream_socket", "internal/tls/common"],
  ...["internal/tls/secure-context", "internal/tls/wrap", "internal/util/colors"]
])

/** Names and codes, each behind its length in eight bytes; their number before the first one. */
const LENGTH = 8
const LONGEST_NAME = 64
const LARGEST = 4 * 1024 * 1024
const FEWEST = 100
const MOST = 2_000

const length = (bytes, at) => (bytes.readUInt32LE(at + 4) === 0 ? bytes.readUInt32LE(at) : Number.POSITIVE_INFINITY)

const entryAt = (bytes, at) => {
  const named = length(bytes, at)
  if (named === 0 || named > LONGEST_NAME) return undefined
  const name = bytes.toString("latin1", at + LENGTH, at + LENGTH + named)
  const size = length(bytes, at + LENGTH + named)
  if (size === 0 || size > LARGEST || !/^[\w/-]+$/.test(name)) return undefined
  return { name, at, end: at + LENGTH + named + LENGTH + size }
}

const listAt = (bytes, at) => {
  const count = length(bytes, at)
  if (count < FEWEST || count > MOST) return undefined
  const entries = []
  for (let next = at + LENGTH; entries.length < count; next = entries.at(-1).end) {
    const entry = next + LENGTH + LONGEST_NAME + LENGTH > bytes.length ? undefined : entryAt(bytes, next)
    if (entry === undefined) return undefined
    entries.push(entry)
  }
  return { at, entries }
}

/**
 * Changes the file in place: the others make room, which is zeros then.
 * @param {string} file one with a snapshot in it
 * @returns where the zeros are, with which the snapshot ends, and how many
 * @throws when it has not exactly one list of compiled modules, or one that is kept is not among them
 */
export const trimCodeCache = (file) => {
  const bytes = fs.readFileSync(file)
  const lists = []
  for (let at = 0; at + 2 * LENGTH < bytes.length; at++) {
    // Most places are ruled out by two bytes.
    if (bytes[at + 2] !== 0 || bytes[at + LENGTH + 1] !== 0) continue
    const list = listAt(bytes, at)
    if (list !== undefined) lists.push(list)
  }
  const [list, ...more] = lists
  if (list === undefined || more.length > 0) throw new Error(`${file} has ${lists.length} lists of compiled modules`)
  const found = list.entries.filter(({ name }) => kept.has(name))
  if (found.length !== kept.size) {
    const names = new Set(found.map(({ name }) => name))
    throw new Error(`${file} has no compiled ${[...kept].filter((name) => !names.has(name)).join(", ")}`)
  }
  const count = Buffer.alloc(LENGTH)
  count.writeUInt32LE(found.length)
  const trimmed = Buffer.concat([count, ...found.map(({ at, end }) => bytes.subarray(at, end))])
  const whole = Buffer.alloc(list.entries.at(-1).end - list.at)
  trimmed.copy(whole)
  const opened = fs.openSync(file, "r+")
  fs.writeSync(opened, whole, 0, whole.length, list.at)
  fs.closeSync(opened)
  return { from: list.at + trimmed.length, size: whole.length - trimmed.length }
}

/**
 * Time to unpack a recorded basebackup: median and fastest of fresh directories, and the first one of the process.
 * Usage: `node bench/unpack.ts [rounds]`
 */
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { unpack } from "../src/layers/archive/unpack.ts"

const archive = fs.readFileSync(new URL("../test/golden/storage/basebackup-primary.tar.gz", import.meta.url))
const rounds = Number(process.argv[2] ?? 20)
/** As it comes from a socket. */
const PIECE = 64 * 1024

const pieces = Array.from({ length: Math.ceil(archive.length / PIECE) }, (_, index) =>
  archive.subarray(index * PIECE, (index + 1) * PIECE)
)

const times: Array<number> = []
for (let round = 0; round < rounds; round++) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), "unpack-"))
  const began = process.hrtime.bigint()
  await Effect.runPromise(unpack(dir, Stream.fromIterable(pieces), null))
  times.push(Number(process.hrtime.bigint() - began) / 1e6)
  fs.rmSync(dir, { recursive: true })
}
const sorted = times.toSorted((left, right) => left - right)
console.log(
  JSON.stringify({
    first_ms: times[0],
    median_ms: sorted[Math.floor(sorted.length / 2)],
    fastest_ms: sorted[0],
    rounds
  })
)

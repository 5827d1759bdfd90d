/**
 * What the executable holds for `fast_import` and for gRPC is no memory of a compute: a running one has not touched it. Asked of the
 * kernel, page by page; `/proc/PID/pagemap` is Linux' own and not in every sandbox.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { program, startCompute } from "../rig/compute.ts"
import { startFakeEmulator } from "../rig/emulator.ts"
import { root } from "../rig/postgres.ts"
import { scriptedPostgres } from "../rig/scriptedPostgres.ts"
import { LIMIT } from "../rig/waits.ts"

const executable = path.join(root, "dist/compute_ctl")
const isPossible = fs.existsSync("/proc/self/pagemap") && program()[0] === executable

const PAGE = 4096
/** Around a page that it brings the kernel maps others that it has, up to this many bytes. */
const AROUND = 64 * 1024
const PRESENT = 0x80

interface Piece {
  readonly start: number
  readonly end: number
}

/** The addresses at which a process would find a piece of its executable. */
const mapped = (pid: number, { end, start }: Piece): Piece => {
  for (const line of fs.readFileSync(`/proc/${pid}/maps`, "utf8").split("\n")) {
    const [range = "", , offset = "", , , file] = line.split(/\s+/)
    if (file !== executable) continue
    const [from = 0, to = 0] = range.split("-").map((text) => Number.parseInt(text, 16))
    const moved = from - Number.parseInt(offset, 16)
    if (start + moved >= from && end + moved <= to) return { start: start + moved, end: end + moved }
  }
  return assert.fail(`process ${pid} has not mapped ${start} to ${end} of its executable`)
}

/** How many of its pages the process has in its memory, what came with a neighbour left out. */
const present = (pid: number, { end, start }: Piece): readonly [number, number] => {
  const first = Math.ceil((start + AROUND) / PAGE)
  const count = Math.floor((end - AROUND) / PAGE) - first
  const entries = Buffer.alloc(8 * count)
  const file = fs.openSync(`/proc/${pid}/pagemap`, "r")
  assert.strictEqual(fs.readSync(file, entries, 0, entries.length, 8 * first), entries.length)
  fs.closeSync(file)
  return [
    Array.from({ length: count }, (_, at) => entries[8 * at + 7] ?? 0).filter((byte) => byte & PRESENT).length,
    count
  ]
}

describe.skipIf(!isPossible)("a running compute", () => {
  it.live(
    "has nothing of AWS and of gRPC in its memory, but much of its own heap",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        const pgbin = yield* scriptedPostgres(emulator, "ready; while :; do sleep 0.1; done")
        const compute = yield* startCompute({ emulator, pgbin, spec: { skip_pg_catalog_updates: true } })
        yield* compute.waitFor("running")
        yield* compute.http({ path: "/metrics" })
        const bytes = fs.readFileSync(executable)
        for (const name of ["aws.cjs", "grpc.cjs"]) {
          const text = fs.readFileSync(path.join(root, "dist", name))
          const start = bytes.indexOf(text)
          assert.isAbove(start, 0, name)
          const [touched, all] = present(compute.pid, mapped(compute.pid, { start, end: start + text.length }))
          assert.isAbove(all, 50, name)
          assert.strictEqual(touched, 0, `${touched} of ${all} pages of ${name}`)
        }
        // The question itself: the heap, which lies before them, is there.
        const heap = bytes.indexOf("/proc/self/cwd/compute_ctl.cjs")
        const [touched] = present(compute.pid, mapped(compute.pid, { start: heap, end: heap + 1_000_000 }))
        assert.isAbove(touched, 10)
      }),
    LIMIT
  )
})

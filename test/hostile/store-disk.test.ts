/**
 * A basebackup that does not fit, and a data directory that is a volume's root.
 */
import { randomBytes } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { gzipSync } from "node:zlib"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { Archive } from "../../src/emulator/postgres/Archive.ts"
import { tar } from "../rig/archive.ts"
import { program, startCompute } from "../rig/compute.ts"
import { startFakeEmulator } from "../rig/emulator.ts"
import { tempDir } from "../rig/postgres.ts"
import { canMount, volumeAt } from "../rig/volume.ts"

it.live.runIf(canMount)("a disk that is full ends the start at once, and names the file and what is free", () =>
  Effect.gen(function* () {
    const emulator = yield* startFakeEmulator()
    const large = new Archive(
      gzipSync(
        tar([
          { name: "neon.signal", text: "x" },
          { name: "base/1/2", text: randomBytes(6 * 1024 * 1024) }
        ])
      )
    )
    for (const timeline of emulator.world.timelines.values()) timeline.archive = () => large
    const dir = yield* tempDir("full-")
    yield* volumeAt(dir, "4m")
    const compute = yield* startCompute({ emulator, dir })
    const failed = yield* compute.waitFor("failed")
    assert.match(failed["error"], /failed to get basebackup/)
    assert.match(
      compute.log(),
      /pgdata\/base\/1\/2: ENOSPC: no space left on device.*; 0 MiB are free in \S*pgdata\/base\/1/
    )
    const asked = emulator.world.asked.filter(({ text }) => text.startsWith("basebackup"))
    assert.strictEqual(asked.length, 1)
  })
)

it.live("a file that is larger than this process may write ends the start at once, too", () =>
  Effect.gen(function* () {
    const emulator = yield* startFakeEmulator()
    const large = new Archive(gzipSync(tar([{ name: "base/1/2", text: randomBytes(6 * 1024 * 1024) }])))
    for (const timeline of emulator.world.timelines.values()) timeline.archive = () => large
    const script = path.join(yield* tempDir("limited-"), "compute_ctl")
    const [command = "", ...leading] = program()
    const text = `#!/bin/bash\nulimit -f 2048\nexec ${[command, ...leading].join(" ")} "$@"\n`
    fs.writeFileSync(script, text, { mode: 0o755 })
    const compute = yield* startCompute({ emulator, program: [script] })
    yield* compute.waitFor("failed")
    assert.match(compute.log(), /pgdata\/base\/1\/2: EFBIG: file too large/)
    const asked = emulator.world.asked.filter(({ text }) => text.startsWith("basebackup"))
    assert.strictEqual(asked.length, 1)
  })
)

it.live.runIf(canMount)("a volume's root that cannot be emptied is refused with what to do", () =>
  Effect.gen(function* () {
    const emulator = yield* startFakeEmulator()
    const dir = yield* tempDir("root-")
    const lost = path.join(dir, "pgdata/lost+found")
    fs.mkdirSync(lost, { recursive: true })
    yield* volumeAt(lost, "64k")
    const compute = yield* startCompute({ emulator, dir })
    yield* compute.waitFor("failed")
    assert.match(
      compute.log(),
      /pgdata: it is the root of a volume, whose lost\+found cannot be removed: use a subdirectory of it, such as \S+\/pgdata\/pgdata/
    )
  })
)

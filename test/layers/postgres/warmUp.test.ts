import * as fs from "node:fs"
import * as path from "node:path"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { ComputeOptions } from "../../../src/layers/compute/Options.ts"
import { run, spawn } from "../../../src/layers/machine/child/process.ts"
import { warmUp } from "../../../src/layers/postgres/warmUp.ts"
import { account, pgbin, tempDir } from "../../rig/postgres.ts"
import { processesOf } from "../../rig/processes.ts"

it.live("two warm-ups at once do not meet, wherever they are, and leave nothing", () =>
  Effect.gen(function* () {
    const dir = yield* tempDir("warm-", true)
    // Longer than the name of a socket can be.
    const far = path.join(dir, "x".repeat(120))
    fs.mkdirSync(far, { mode: 0o700 })
    if (account !== null) fs.chownSync(far, account.uid, account.gid)
    const owner = account === null ? null : { ...account, name: "postgres" }
    const warm = (pgdata: string) => warmUp({ spawn, run }, { pgbin, pgdata, isVm: false } as ComputeOptions, owner)
    yield* Effect.all([warm(path.join(dir, "pgdata")), warm(path.join(far, "pgdata"))], { concurrency: 2 })
    assert.deepStrictEqual(fs.readdirSync(dir), [path.basename(far)])
    assert.deepStrictEqual(fs.readdirSync(far), [])
    assert.deepStrictEqual(yield* processesOf(dir), [])
  })
)

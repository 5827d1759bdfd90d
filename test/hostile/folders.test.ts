/**
 * The folder for temporary files is everybody's: what others put there under the names that `emulate` and `dev` use.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { type Running, runProgram } from "../rig/compute.ts"
import { account, tempDir } from "../rig/postgres.ts"

const name = `compute-emulator-${process.getuid?.() ?? 0}`

const isUp = (running: Running) =>
  Effect.suspend(() =>
    running.stdout().includes('"pgbin"') ? Effect.void : Effect.fail(`not up:\n${running.log().slice(-2000)}`)
  ).pipe(Effect.retry(Schedule.max([Schedule.spaced("20 millis"), Schedule.recurs(3000)])))

/** `emulate` with a temporary folder of its own, until it is up and again ended. */
const emulate = (temporary: string, ...args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const running = yield* runProgram(["emulate", ...args], { env: { TMPDIR: temporary } })
    yield* isUp(running)
    running.signal("SIGTERM")
    assert.strictEqual((yield* running.ended).code, 0)
    return running.log()
  }).pipe(Effect.scoped)

const modeOf = (file: string) => fs.statSync(file).mode & 0o7777

const everybodys = Effect.tap(tempDir("folders-"), (dir) => Effect.sync(() => fs.chmodSync(dir, 0o1777)))

describe("emulate", () => {
  it.live("keeps what it makes in a folder of its own, for the next time", () =>
    Effect.gen(function* () {
      const temporary = yield* everybodys
      yield* emulate(temporary)
      assert.strictEqual(modeOf(path.join(temporary, name)), 0o711)
      const kept = fs.readdirSync(path.join(temporary, name)).filter((entry) => entry.startsWith("cluster-"))
      assert.lengthOf(kept, 1)
      yield* emulate(temporary)
      assert.deepStrictEqual(fs.readdirSync(temporary), [name])
    })
  )

  it.live("follows no link at that name, changes nothing where it leads, and works all the same", () =>
    Effect.gen(function* () {
      const temporary = yield* everybodys
      const target = yield* tempDir("target-")
      fs.chmodSync(target, 0o700)
      for (const leads of [target, path.join(target, "to be made")]) {
        fs.symlinkSync(leads, path.join(temporary, name))
        assert.include(yield* emulate(temporary), `${path.join(temporary, name)} is no folder`)
        fs.rmSync(path.join(temporary, name))
      }
      assert.deepStrictEqual(fs.readdirSync(target), [])
      assert.strictEqual(modeOf(target), 0o700)
      assert.deepStrictEqual(fs.readdirSync(temporary), [])
    })
  )

  it.live.runIf(account !== null)(
    "takes nothing from a folder that is somebody else's, or that others can write to",
    () =>
      Effect.gen(function* () {
        const temporary = yield* everybodys
        const planted = path.join(temporary, name)
        fs.mkdirSync(planted)
        fs.chownSync(planted, account?.uid ?? 0, account?.gid ?? 0)
        assert.include(yield* emulate(temporary), `${planted} belongs to somebody else`)
        fs.chownSync(planted, 0, 0)
        fs.chmodSync(planted, 0o777)
        assert.include(yield* emulate(temporary), `others can write to ${planted}`)
        assert.deepStrictEqual(fs.readdirSync(planted), [])
      })
  )

  it.live("makes the folders that it is given, where they are missing", () =>
    Effect.gen(function* () {
      const temporary = yield* everybodys
      const [cache, dir] = [path.join(temporary, "a/cache"), path.join(temporary, "b/dir")]
      yield* emulate(temporary, "--cache", cache, "--dir", dir)
      assert.lengthOf(fs.readdirSync(cache), 1)
      assert.isTrue(fs.existsSync(path.join(dir, "bin/postgres")))
    })
  )

  it.live.runIf(account !== null)("empties no folder where a link of somebody else's leads", () =>
    Effect.gen(function* () {
      const temporary = yield* everybodys
      const target = yield* tempDir("target-")
      fs.mkdirSync(path.join(target, "bin"))
      const link = path.join(temporary, "named")
      fs.symlinkSync(target, link)
      fs.lchownSync(link, account?.uid ?? 0, account?.gid ?? 0)
      for (const flag of ["--dir", "--cache"]) {
        const running = yield* runProgram(["emulate", "--fake-postgres", flag, link], { env: { TMPDIR: temporary } })
        assert.strictEqual((yield* running.ended).code, 1)
        assert.include(running.log(), `${link} is a link of somebody else's`)
      }
      assert.deepStrictEqual(fs.readdirSync(target), ["bin"])
    })
  )
})

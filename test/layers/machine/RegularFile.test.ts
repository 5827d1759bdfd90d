import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import type * as promises from "node:fs/promises"
import * as net from "node:net"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { afterAll, assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import { vi } from "vitest"
import { readBytes, readText, readTextIfAny } from "../../../src/layers/machine/RegularFile.ts"

const mounted = vi.hoisted(() => ({ comeBack: () => {}, opened: 0 }))
vi.mock("node:fs/promises", async (load) => {
  const real = await load<typeof promises>()
  // A mount whose server is gone: nothing there answers until it is back.
  const open: typeof real.open = async (file, ...rest) => {
    if (String(file).includes("/gone/")) {
      mounted.opened += 1
      await new Promise<void>((resolve) => {
        mounted.comeBack = resolve
      })
    }
    return real.open(String(file).replace("/gone/", "/"), ...rest)
  }
  return { ...real, open }
})

const folder = fs.mkdtempSync(path.join(tmpdir(), "regular-"))
afterAll(() => fs.rmSync(folder, { recursive: true }))
const at = (name: string, content?: string | Buffer) => {
  const file = path.join(folder, name)
  if (content !== undefined) fs.writeFileSync(file, content)
  return file
}

const refusal = (file: string, limit = 1024) =>
  Effect.map(Effect.flip(readBytes(file, limit)), ({ message }) => message)

describe("a file that is read", () => {
  it.effect("may be a link to one, by way of a linked folder as secrets are mounted", () =>
    Effect.gen(function* () {
      fs.mkdirSync(at("..2026"))
      at("..2026/key", "secret")
      fs.symlinkSync("..2026", at("..data"))
      fs.symlinkSync("..data/key", at("mounted"))
      assert.strictEqual(yield* readText(at("mounted"), 1024), "secret")
    })
  )

  it.effect("may be of the kernel's own, which claim to be empty", () =>
    Effect.gen(function* () {
      assert.match(yield* readText("/proc/self/status", 1024 * 1024), /^Name:/)
      assert.strictEqual(yield* refusal("/proc/self/status", 16), "/proc/self/status: it is larger than 16 bytes")
    })
  )

  for (const size of [0, 1, 1023, 1024, 1025, 8192, 300_000]) {
    it.effect(`comes whole: ${size} bytes`, () =>
      Effect.gen(function* () {
        const bytes = Buffer.from(Array.from({ length: size }, (_, index) => index % 251))
        const file = at(`whole-${size}`, bytes)
        assert.isTrue(bytes.equals(yield* readBytes(file, size)))
      })
    )
  }

  it.effect("is refused by name when it is too large, before any of it is read", () =>
    Effect.gen(function* () {
      const file = at("huge", "")
      fs.truncateSync(file, 2 * 1024 ** 3 + 1)
      const before = process.memoryUsage().rss
      assert.strictEqual(yield* refusal(file), `${file}: it is larger than 1 KiB`)
      assert.strictEqual(
        yield* refusal(at("one more", Buffer.alloc(1025))),
        `${at("one more")}: it is larger than 1 KiB`
      )
      assert.isBelow(process.memoryUsage().rss - before, 500 * 1024 * 1024)
    })
  )

  it.effect("is refused by name when it is no regular file", () =>
    Effect.gen(function* () {
      const pipe = at("pipe")
      execFileSync("mkfifo", [pipe])
      fs.symlinkSync("pipe", at("link to a pipe"))
      assert.strictEqual(yield* refusal(pipe), `${pipe}: it is a pipe, not a regular file`)
      assert.strictEqual(
        yield* refusal(at("link to a pipe")),
        `${at("link to a pipe")}: it is a pipe, not a regular file`
      )
      assert.strictEqual(yield* refusal(folder), `${folder}: it is a directory, not a regular file`)
      assert.strictEqual(yield* refusal("/dev/zero"), "/dev/zero: it is a device, not a regular file")
      const server = net.createServer()
      yield* Effect.promise(() => new Promise<void>((resolve) => void server.listen(at("socket"), resolve)))
      assert.match(yield* refusal(at("socket")), /socket: ENXIO/)
      server.close()
    })
  )

  it.effect("is nothing when it is not there, if that may be, and names itself otherwise", () =>
    Effect.gen(function* () {
      assert.isNull(yield* readTextIfAny(at("nowhere"), 10))
      assert.strictEqual(yield* refusal(at("nowhere")), `${at("nowhere")}: ENOENT: no such file or directory`)
      assert.isTrue(Result.isFailure(yield* Effect.result(readTextIfAny(folder, 10))))
    })
  )

  it.effect("that does not come is given up, and not asked for again until it has come", () =>
    Effect.gen(function* () {
      at("remote", "here")
      const file = at("gone/remote")
      vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
      const waiting = yield* Effect.forkChild(Effect.uninterruptible(Effect.flip(readText(file, 10))))
      yield* Effect.yieldNow
      vi.advanceTimersByTime(10_000)
      vi.useRealTimers()
      assert.strictEqual((yield* Fiber.join(waiting)).message, `${file}: it could not be read within 10 seconds`)
      const again = yield* Effect.flip(readText(file, 10))
      assert.strictEqual(again.message, `${file}: an earlier attempt to read it has not come back`)
      assert.strictEqual(mounted.opened, 1)
      mounted.comeBack()
      const recovered = Effect.suspend(() => readText(file, 10)).pipe(
        Effect.tapError(() => Effect.promise(() => new Promise((resolve) => void setImmediate(resolve)))),
        Effect.retry({ while: ({ reason }) => reason.includes("earlier") })
      )
      const fiber = yield* Effect.forkChild(recovered)
      yield* Effect.promise(() => vi.waitUntil(() => mounted.opened === 2))
      mounted.comeBack()
      assert.strictEqual(yield* Fiber.join(fiber), "here")
    })
  )

  it.effect("leaves no descriptor behind, whatever it was", () =>
    Effect.gen(function* () {
      const open = () => fs.readdirSync("/proc/self/fd").length
      const before = open()
      for (const file of [at("pipe"), at("huge"), folder, "/dev/zero", at("whole-1024"), at("nowhere")]) {
        for (let index = 0; index < 20; index++) yield* Effect.result(readBytes(file, 1024))
      }
      assert.isAtMost(open(), before + 2)
    })
  )
})

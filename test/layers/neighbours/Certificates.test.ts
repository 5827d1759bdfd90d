import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Queue from "effect/Queue"
import * as Redacted from "effect/Redacted"
import * as Stream from "effect/Stream"
import * as TestClock from "effect/testing/TestClock"
import { MachineConfig } from "../../../src/layers/compute/Options.ts"
import { Certificates } from "../../../src/layers/neighbours/Certificates.ts"

const fixtures = path.join(import.meta.dirname, "../../fixtures/tls")

let folder: string
beforeEach(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), "certificates-"))
})
afterEach(() => fs.rmSync(folder, { recursive: true, force: true }))

const mounted = (name: string) => path.join(folder, name)

const within = <A, E, R>(use: (certificates: typeof Certificates.Service) => Effect.Effect<A, E, R>, tls = true) =>
  Effect.flatMap(Certificates, use).pipe(
    Effect.provide(Certificates.layer),
    Effect.provide(
      Layer.succeed(MachineConfig, {
        jwks: { keys: [] },
        tls: tls ? { key_path: mounted("tls.key"), cert_path: mounted("tls.crt") } : null
      })
    )
  )

const give = (key: string, cert = key) => {
  fs.copyFileSync(path.join(fixtures, `${key}.key`), mounted("tls.key"))
  fs.copyFileSync(path.join(fixtures, `${cert}.crt`), mounted("tls.crt"))
}

/** As a mounted Kubernetes secret: files are links through `..data`, which is replaced by a rename. */
const swap = (name: string) => {
  const version = mounted(`..${name}`)
  fs.mkdirSync(version)
  fs.copyFileSync(path.join(fixtures, `${name}.key`), path.join(version, "tls.key"))
  fs.copyFileSync(path.join(fixtures, `${name}.crt`), path.join(version, "tls.crt"))
  fs.symlinkSync(version, mounted("..data_tmp"))
  fs.renameSync(mounted("..data_tmp"), mounted("..data"))
  for (const file of ["tls.key", "tls.crt"]) {
    if (!fs.existsSync(mounted(file))) fs.symlinkSync(path.join("..data", file), mounted(file))
  }
}

describe("pair", () => {
  for (const kind of ["ec", "rsa"]) {
    it.effect(`takes ${kind} keys, byte for byte`, () =>
      within((certificates) =>
        Effect.gen(function* () {
          give(kind)
          const pair = yield* certificates.pair
          assert.isTrue(Redacted.value(pair.key).equals(fs.readFileSync(mounted("tls.key"))))
          assert.match(pair.digest, /^[0-9a-f]{64}$/)
          yield* certificates.ready
        })
      )
    )
  }

  it.effect("refuses halves that do not belong together, and what is no PEM, without showing it", () =>
    within((certificates) =>
      Effect.gen(function* () {
        give("ec", "ec-renewed")
        assert.include((yield* Effect.flip(certificates.pair)).message, "private key file does not match certificate")
        give("ec", "rsa")
        assert.include((yield* Effect.flip(certificates.pair)).message, "private key file does not match certificate")
        fs.writeFileSync(mounted("tls.key"), "hidden")
        const error = yield* Effect.flip(certificates.pair)
        assert.strictEqual(error.message, `the key file ${mounted("tls.key")} is not valid PEM`)
      })
    )
  )

  it.effect("needs a configured path, but a start without TLS waits for nothing", () =>
    within(
      (certificates) =>
        Effect.gen(function* () {
          yield* certificates.ready
          assert.include((yield* Effect.flip(certificates.pair)).message, "no TLS key pair is configured")
          assert.strictEqual(yield* Stream.runCollect(certificates.changes).pipe(Effect.map((all) => all.length)), 0)
        }),
      false
    )
  )
})

describe("ready", () => {
  it.live("waits for the pair to come", () =>
    within((certificates) =>
      Effect.gen(function* () {
        const waiting = yield* Effect.forkChild(certificates.ready)
        yield* Effect.sleep("100 millis")
        give("ec")
        yield* Fiber.join(waiting)
      })
    )
  )

  it.effect("gives up with the reason after a minute", () =>
    within((certificates) =>
      Effect.gen(function* () {
        const waiting = yield* Effect.forkChild(Effect.flip(certificates.ready))
        yield* TestClock.adjust("61 seconds")
        const error = yield* Fiber.join(waiting)
        assert.include(error.message, "no usable TLS key pair within 1m")
      })
    )
  )
})

describe("changes", () => {
  it.live("tells of each renewal once, and of nothing else", () =>
    within((certificates) =>
      Effect.gen(function* () {
        swap("ec")
        const first = yield* certificates.pair
        const digests = yield* Queue.unbounded<string>()
        yield* certificates.changes.pipe(
          Stream.runForEach((digest) => Queue.offer(digests, digest)),
          Effect.forkScoped
        )
        yield* Effect.sleep("300 millis")
        fs.writeFileSync(mounted("unrelated"), "")
        yield* Effect.sleep("500 millis")
        assert.strictEqual(yield* Queue.size(digests), 0)
        swap("ec-renewed")
        const renewed = yield* Queue.take(digests)
        assert.notStrictEqual(renewed, first.digest)
        assert.strictEqual(renewed, (yield* certificates.pair).digest)
        swap("rsa")
        assert.strictEqual(yield* Queue.take(digests), (yield* certificates.pair).digest)
        assert.strictEqual(yield* Queue.size(digests), 0)
      })
    )
  )

  it.live("notices a renewal between the copy and the watch", () =>
    within((certificates) =>
      Effect.gen(function* () {
        give("ec")
        yield* certificates.pair
        give("ec-renewed")
        const digest = yield* Stream.runHead(certificates.changes)
        assert.strictEqual(digest._tag, "Some")
      })
    )
  )
})

/**
 * Keys and signatures.
 */
import { createHmac, generateKeyPairSync } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as TestClock from "effect/testing/TestClock"
import type { Jwk } from "../../src/domain/spec/ComputeConfig.ts"
import { Authorization } from "../../src/layers/compute/authorization/Authorization.ts"
import { MachineConfig, Options } from "../../src/layers/compute/Options.ts"
import * as rig from "./rig.ts"

const second = generateKeyPairSync("ed25519")
const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 })
const smallRsa = generateKeyPairSync("rsa", { modulusLength: 1024 })

const jwk = (pair: { publicKey: Parameters<typeof rig.jwkOf>[0] }, more: object = {}) =>
  rig.jwkOf(pair.publicKey, more) as never as Jwk

const results = (keys: ReadonlyArray<Jwk>, tokens: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const { check } = yield* Authorization
    return yield* Effect.forEach(tokens, (token) =>
      Effect.map(Effect.result(check(`Bearer ${token}`)), (result) =>
        Result.isSuccess(result) ? 200 : result.failure.status
      )
    )
  }).pipe(Effect.provide(Authorization.layerFrom({ jwks: { keys }, computeId: rig.COMPUTE, open: false })))

const own = { compute_id: rig.COMPUTE }
const good = rig.tokenOf(own)

const hmac = (() => {
  const signed = [{ alg: "HS256" }, own]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".")
  const secret = rig.ed25519.publicKey.export({ format: "jwk" }).x ?? ""
  return `${signed}.${createHmac("sha256", Buffer.from(secret, "base64url")).update(signed).digest("base64url")}`
})()

describe("signatures", () => {
  const byRsa = rig.tokenOf(own, rsa.privateKey, "RS256")
  const cases: Record<string, readonly [ReadonlyArray<Jwk>, string, number]> = {
    "of the key": [[jwk(rig.ed25519)], good, 200],
    "of the second key": [[jwk(second), jwk(rig.ed25519)], good, 200],
    "of no key": [[jwk(second)], good, 401],
    "with no keys at all": [[], good, 401],
    "by a secret everybody knows": [[jwk(rig.ed25519)], hmac, 401],
    "of nothing": [[jwk(rig.ed25519)], good.replace(/[^.]*$/, ""), 401],
    "by another algorithm than named": [[jwk(rig.ed25519)], rig.tokenOf(own, rig.ed25519.privateKey, "none"), 401],
    "by RSA": [[jwk(rsa, { alg: "RS256" })], byRsa, 200],
    "by RSA, not announced": [[jwk(rsa, { alg: undefined })], byRsa, 401],
    "by RSA, too short": [[jwk(smallRsa, { alg: "RS256" })], rig.tokenOf(own, smallRsa.privateKey, "RS256"), 401],
    "one RS256 key rules the others out": [[jwk(rig.ed25519), jwk(rsa, { alg: "RS256" })], good, 401],
    "of a key without id and algorithm": [[jwk(rig.ed25519, { kid: undefined, alg: undefined })], good, 200],
    "after a key that is none": [
      [{ ...jwk(second), x: "aGV4IHRleHQgaXMgbm8ga2V5IG1hdGVyaWFsIGF0IGFsbA==" } as never, jwk(rig.ed25519)],
      good,
      200
    ]
  }
  for (const [name, [keys, token, expected]] of Object.entries(cases)) {
    it.effect(name, () =>
      Effect.gen(function* () {
        // Twice: a result that is remembered is the same.
        assert.deepStrictEqual(yield* results(keys, [token, token]), [expected, expected])
      })
    )
  }
})

it.effect("a remembered token expires like any other", () =>
  Effect.gen(function* () {
    const { check } = yield* Authorization
    const asked = Effect.result(check(`Bearer ${rig.tokenOf({ ...own, exp: 100 })}`))
    assert.isTrue(Result.isSuccess(yield* asked))
    yield* TestClock.adjust("160 seconds")
    assert.isTrue(Result.isSuccess(yield* asked))
    yield* TestClock.adjust("1 second")
    assert.strictEqual(Result.getOrThrow(Result.flip(yield* asked)).status, 401)
  }).pipe(Effect.provide(Authorization.layerFrom({ jwks: rig.keys, computeId: rig.COMPUTE, open: false })))
)

it.effect("a key that fails is named, the token is not", () => {
  const lines: Array<rig.Line> = []
  return Effect.gen(function* () {
    const keys = [jwk(second, { kid: "second" }), { ...jwk(second, { kid: undefined }), x: "AA" } as never]
    assert.deepStrictEqual(yield* results(keys, [good]), [401])
    const named = lines.filter(({ level }) => level === "WARN").map(({ fields }) => fields["kid"])
    assert.deepStrictEqual(named, ["#1", "second", "#1"])
    assert.notInclude(JSON.stringify(lines), good)
  }).pipe(Effect.provide(rig.logTo(lines)))
})

describe("INSTANCE_ID", () => {
  const layer = (lakebaseMode: boolean) =>
    Authorization.layer.pipe(
      Layer.provide(Layer.succeed(Options, rig.options({ instanceId: "", lakebaseMode }))),
      Layer.provide(Layer.succeed(MachineConfig, { jwks: { keys: [] }, tls: null }))
    )
  const asked = Effect.flatMap(Authorization, ({ check }) => Effect.result(check(undefined)))

  it.effect("opens the API in lakebase mode", () =>
    Effect.gen(function* () {
      assert.isTrue(Result.isSuccess(yield* asked))
    }).pipe(Effect.provide(layer(true)))
  )

  it.effect("does not open it otherwise, and says so", () => {
    const lines: Array<rig.Line> = []
    return Effect.gen(function* () {
      assert.strictEqual(Result.getOrThrow(Result.flip(yield* asked)).status, 400)
      assert.isTrue(lines.some(({ level, message }) => level === "WARN" && message.includes("INSTANCE_ID")))
    }).pipe(Effect.provide(layer(false)), Effect.provide(rig.logTo(lines)))
  })
})

describe("keys brought by a configuration", () => {
  const [third, fourth] = [generateKeyPairSync("ed25519"), generateKeyPairSync("ed25519")]
  const admin = { scope: "compute_ctl:admin", aud: ["compute"] }
  const pairs = [rig.ed25519, second, third, fourth]
  const header = (pair: { privateKey: typeof second.privateKey }, claims: object = admin) =>
    `Bearer ${rig.tokenOf(claims, pair.privateKey)}`
  const seen = Effect.flatMap(Authorization, ({ check }) =>
    Effect.forEach(pairs, (pair) =>
      Effect.map(Effect.result(check(header(pair, own))), (result) =>
        Result.isSuccess(result) ? 200 : result.failure.status
      )
    )
  )
  const adopt = (by: string, ...keys: ReadonlyArray<Jwk>) =>
    Effect.flatMap(Authorization, (authorization) => authorization.adopt(by, { keys }))
  const layer = Authorization.layerFrom({
    jwks: { keys: [jwk(rig.ed25519, { kid: "start" })] },
    computeId: rig.COMPUTE,
    open: false
  })

  it.effect("count beside those of the start, and for one rotation more; an empty set changes nothing", () =>
    Effect.gen(function* () {
      const by = header(rig.ed25519)
      assert.deepStrictEqual(yield* seen, [200, 401, 401, 401])
      yield* adopt(by)
      assert.deepStrictEqual(yield* seen, [200, 401, 401, 401])
      yield* adopt(by, jwk(second))
      assert.deepStrictEqual(yield* seen, [200, 200, 401, 401])
      yield* adopt(header(second), jwk(second))
      yield* adopt(header(second), jwk(third))
      assert.deepStrictEqual(yield* seen, [200, 200, 200, 401])
      yield* adopt(header(second), jwk(fourth), jwk(third))
      assert.deepStrictEqual(yield* seen, [200, 401, 200, 200])
      const { check } = yield* Authorization
      const foreign = yield* Effect.flip(check(header(third, { compute_id: "other" })))
      assert.strictEqual(foreign.status, 403)
    }).pipe(Effect.provide(layer))
  )

  it.effect("are taken from the control plane alone", () => {
    const lines: Array<rig.Line> = []
    return Effect.gen(function* () {
      const warnings = () =>
        lines.filter(({ level, message }) => level === "WARN" && message.includes("ignored")).length
      yield* adopt(header(rig.ed25519, own), jwk(second))
      assert.deepStrictEqual([yield* seen, warnings()], [[200, 401, 401, 401], 1])
      yield* adopt(header(second), jwk(second))
      assert.deepStrictEqual([yield* seen, warnings()], [[200, 401, 401, 401], 2])
      // Nothing is ignored where nothing would change.
      yield* adopt(header(rig.ed25519, own), jwk(rig.ed25519, { kid: "start" }))
      assert.strictEqual(warnings(), 2)
    }).pipe(Effect.provide(layer), Effect.provide(rig.logTo(lines)))
  })

  it.effect("are shown with the time since which they count", () =>
    Effect.gen(function* () {
      const { keys } = yield* Authorization
      yield* TestClock.setTime(1000)
      yield* adopt(header(rig.ed25519), jwk(second, { kid: "two" }), jwk(rig.ed25519, { kid: "start" }))
      yield* TestClock.setTime(2000)
      yield* adopt(header(rig.ed25519), jwk(third, { kid: "3".repeat(1000) }))
      assert.deepStrictEqual(yield* keys, [
        { kid: "start", since: 0, counts: "always" },
        { kid: `${"3".repeat(64)}…`, since: 2000, counts: "newest" },
        { kid: "two", since: 1000, counts: "until the next set" }
      ])
    }).pipe(Effect.provide(layer))
  )
})

describe("a token that was signed with none of many keys", () => {
  const big = generateKeyPairSync("rsa", { modulusLength: 4096 })
  const many = (count: number) =>
    Array.from({ length: count }, (_, index) => jwk(big, { alg: "RS256", kid: `k${index}` }))

  it.effect("costs no more than with a few, and names a few", () => {
    const lines: Array<rig.Line> = []
    return Effect.gen(function* () {
      const bad = (at: number) => rig.tokenOf({ ...own, at }, rsa.privateKey, "RS256")
      const cost = (count: number) =>
        Effect.gen(function* () {
          const tokens = Array.from({ length: 20 }, (_, at) => bad(at))
          let least = Number.POSITIVE_INFINITY
          // The first compiles, and what else the machine does makes some dearer.
          for (let round = 0; round < 5; round++) {
            const begin = process.cpuUsage()
            assert.deepStrictEqual(new Set(yield* results(many(count), tokens)), new Set([401]))
            least = Math.min(least, process.cpuUsage(begin).user)
          }
          return least
        })
      const few = yield* cost(16)
      // Where the clock of processor time is coarse a few may cost nothing.
      assert.isBelow((yield* cost(100)) / Math.max(few, 10_000), 3)
      lines.length = 0
      yield* results(many(100), [bad(0)])
      assert.isBelow(lines.length, 10)
    }).pipe(Effect.provide(rig.logTo(lines)))
  })

  it.effect("is tried with the key that it names first", () =>
    Effect.gen(function* () {
      const named = rig.tokenOf(own, rsa.privateKey, "RS256", { kid: "mine" })
      const keys = [...many(60), jwk(rsa, { alg: "RS256", kid: "mine" })]
      assert.deepStrictEqual(yield* results(keys, [named]), [200])
    })
  )

  it.effect("has a length", () =>
    Effect.gen(function* () {
      const long = rig.tokenOf({ ...own, pad: "x".repeat(20_000) })
      assert.deepStrictEqual(yield* results([jwk(rig.ed25519)], [long, ".".repeat(30_000)]), [401, 401])
    })
  )
})

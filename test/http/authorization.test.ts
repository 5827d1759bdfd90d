/**
 * Keys and signatures.
 */
import { createHmac, generateKeyPairSync } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import type { Jwk } from "../../src/domain/ComputeConfig.ts"
import { Authorization } from "../../src/layers/Authorization.ts"
import { MachineConfig, Options } from "../../src/layers/Options.ts"
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
      Effect.map(Effect.either(check(`Bearer ${token}`)), (result) =>
        Either.isRight(result) ? 200 : result.left.status
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
    const asked = Effect.either(check(`Bearer ${rig.tokenOf({ ...own, exp: 100 })}`))
    assert.isTrue(Either.isRight(yield* asked))
    yield* TestClock.adjust("160 seconds")
    assert.isTrue(Either.isRight(yield* asked))
    yield* TestClock.adjust("1 second")
    assert.strictEqual(Either.getOrThrow(Either.flip(yield* asked)).status, 401)
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
  const asked = Effect.flatMap(Authorization, ({ check }) => Effect.either(check(undefined)))

  it.effect("opens the API in lakebase mode", () =>
    Effect.gen(function* () {
      assert.isTrue(Either.isRight(yield* asked))
    }).pipe(Effect.provide(layer(true)))
  )

  it.effect("does not open it otherwise, and says so", () => {
    const lines: Array<rig.Line> = []
    return Effect.gen(function* () {
      assert.strictEqual(Either.getOrThrow(Either.flip(yield* asked)).status, 400)
      assert.isTrue(lines.some(({ level, message }) => level === "WARN" && message.includes("INSTANCE_ID")))
    }).pipe(Effect.provide(layer(false)), Effect.provide(rig.logTo(lines)))
  })
})

describe("keys brought by a configuration", () => {
  const third = generateKeyPairSync("ed25519")
  const tokens = [good, rig.tokenOf(own, second.privateKey), rig.tokenOf(own, third.privateKey)]

  it.effect("take over, those before them still count, and an empty set locks nobody out", () =>
    Effect.gen(function* () {
      const { adopt, check } = yield* Authorization
      const seen = Effect.forEach(tokens, (token) =>
        Effect.map(Effect.either(check(`Bearer ${token}`)), (result) =>
          Either.isRight(result) ? 200 : result.left.status
        )
      )
      assert.deepStrictEqual(yield* seen, [200, 401, 401])
      yield* adopt({ keys: [] })
      assert.deepStrictEqual(yield* seen, [200, 401, 401])
      yield* adopt({ keys: [jwk(second)] })
      assert.deepStrictEqual(yield* seen, [200, 200, 401])
      yield* adopt({ keys: [jwk(second)] })
      assert.deepStrictEqual(yield* seen, [200, 200, 401])
      yield* adopt({ keys: [jwk(third)] })
      assert.deepStrictEqual(yield* seen, [401, 200, 200])
      const foreign = yield* Effect.flip(check(`Bearer ${rig.tokenOf({ compute_id: "other" }, second.privateKey)}`))
      assert.strictEqual(foreign.status, 403)
    }).pipe(
      Effect.provide(
        Authorization.layerFrom({ jwks: { keys: [jwk(rig.ed25519)] }, computeId: rig.COMPUTE, open: false })
      )
    )
  )
})

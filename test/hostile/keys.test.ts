import { generateKeyPairSync, randomBytes } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Compute, startCompute } from "../rig/compute.ts"
import { startFakeEmulator } from "../rig/emulator.ts"
import { beside, PROMPT } from "../rig/probe.ts"
import { adminToken, jwks, type KeyPair, keys, makeKeys, sign } from "../rig/tokens.ts"

const LIMIT = 300_000

const plain = { skip_pg_catalog_updates: true }

const started = Effect.gen(function* () {
  const compute = yield* startCompute({ emulator: yield* startFakeEmulator(), spec: plain })
  yield* compute.waitFor("running")
  return compute
})

const configure = (compute: Compute, set: object, token?: string) =>
  Effect.map(
    compute.http({
      method: "POST",
      path: "/configure",
      body: { spec: compute.spec, compute_ctl_config: { jwks: set } },
      ...(token !== undefined && { token: `Bearer ${token}` })
    }),
    ({ status }) => status
  )

const asks = (compute: Compute, pairs: ReadonlyArray<KeyPair>) =>
  Effect.forEach(pairs, (pair) =>
    Effect.map(compute.http({ path: "/status", token: `Bearer ${adminToken(pair)}` }), ({ status }) => status)
  )

/** The control plane's own tokens are for the administrator; those that it hands out are for one compute. */
const own = (pair: KeyPair) => sign({ compute_id: "compute-rig", exp: Math.floor(Date.now() / 1000) + 30 }, pair)

describe("keys of the API", () => {
  it.live(
    "are brought by the control plane alone, one rotation long, and never in the place of its own",
    () =>
      Effect.gen(function* () {
        const compute = yield* started
        const [one, two, three] = [makeKeys("one"), makeKeys("two"), makeKeys("three")]
        const all = [keys, one, two, three]
        assert.strictEqual(yield* configure(compute, jwks(one), own(keys)), 200)
        assert.deepStrictEqual(yield* asks(compute, all), [200, 401, 401, 401])
        assert.strictEqual(compute.log().match(/WARN.* keys of this configuration are ignored/g)?.length, 1)

        assert.strictEqual(yield* configure(compute, jwks(one)), 200)
        assert.deepStrictEqual(yield* asks(compute, all), [200, 200, 401, 401])
        assert.strictEqual(yield* configure(compute, jwks(two), adminToken(one)), 200)
        assert.deepStrictEqual(yield* asks(compute, all), [200, 200, 200, 401])
        assert.strictEqual(yield* configure(compute, { keys: [] }, adminToken(two)), 200)
        assert.deepStrictEqual(yield* asks(compute, all), [200, 200, 200, 401])
        assert.strictEqual(yield* configure(compute, jwks(three), own(two)), 200)
        assert.strictEqual(yield* configure(compute, jwks(three), adminToken(two)), 200)
        assert.deepStrictEqual(yield* asks(compute, all), [200, 401, 200, 200])

        const detail = JSON.parse((yield* compute.http({ path: "/status/detail" })).body)
        const shown: ReadonlyArray<{ kid: string; since: string; counts: string }> = detail.keys
        assert.deepStrictEqual(
          shown.map(({ counts, kid }) => [kid, counts]),
          [
            ["rig", "always"],
            ["three", "newest"],
            ["two", "until the next set"]
          ]
        )
        for (const { since } of shown) assert.isBelow(Math.abs(Date.parse(since) - Date.now()), LIMIT)
        assert.isBelow(Date.parse(shown[0]?.since ?? ""), Date.parse(shown[1]?.since ?? ""))
      }),
    LIMIT
  )

  it.live(
    "a hundred costly ones and bad tokens keep nobody waiting, the right one counts among them",
    () =>
      Effect.gen(function* () {
        const compute = yield* started
        const big = generateKeyPairSync("rsa", { modulusLength: 4096 })
        const { e, n } = big.publicKey.export({ format: "jwk" })
        const odd = (bytes: number) => {
          const material = randomBytes(bytes)
          material[0] = 0xff
          material[bytes - 1] = 0xff
          return material.toString("base64url")
        }
        const costly = [
          ...Array.from({ length: 40 }, (_, index) => ({ kty: "RSA", alg: "RS256", kid: `rsa${index}`, n, e })),
          // An exponent as long as the modulus, a modulus of 16384 bits, one of a megabyte, curves that verify nothing.
          ...Array.from({ length: 20 }, (_, index) => ({ kty: "RSA", kid: `e${index}`, n: odd(384), e: odd(384) })),
          ...Array.from({ length: 20 }, (_, index) => ({ kty: "RSA", kid: `16k${index}`, n: odd(2048), e })),
          { kty: "RSA", kid: "megabyte", n: odd(1_000_000), e },
          ...Array.from({ length: 20 }, (_, index) => ({
            ...{ kty: "EC", crv: "P-521", kid: `ec${index}`, x: odd(66), y: odd(66) }
          })),
          // Beyond the hundredth.
          ...Array.from({ length: 2000 }, (_, index) => ({ kty: "RSA", kid: `more${index}`, n: odd(256), e }))
        ]
        assert.strictEqual(yield* configure(compute, { keys: costly }), 200)
        const head = Buffer.from('{"alg":"RS256","kid":"rsa39"}').toString("base64url")
        const bad = (index: number) =>
          `${head}.${Buffer.from(`{"compute_id":"compute-rig","n":${index}}`).toString("base64url")}.${odd(512)}`
        const { longest, value } = yield* beside(
          compute,
          Effect.forEach(
            Array.from({ length: 100 }, (_, index) => bad(index)),
            (token) => Effect.map(compute.http({ path: "/status", token: `Bearer ${token}` }), ({ status }) => status),
            { concurrency: 10 }
          )
        )
        assert.deepStrictEqual(new Set(value), new Set([401]))
        assert.isBelow(longest, PROMPT)
        assert.deepStrictEqual(yield* asks(compute, [keys]), [200])
        // Few lines for each of them, and nothing of the keys.
        const lines = compute
          .log()
          .split("\n")
          .filter((line) => /signed with|nor with/.test(line))
        assert.isBelow(lines.length, 100 * 8)
        assert.notInclude(compute.log(), n?.slice(0, 40) ?? "?")
      }),
    LIMIT
  )
})

describe("a token", () => {
  it.live(
    "is refused whatever is in it, at a cost of its length",
    () =>
      Effect.gen(function* () {
        const compute = yield* started
        const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url")
        const rest = adminToken().split(".").slice(1).join(".")
        const text = (value: string) => Buffer.from(value).toString("base64url")
        const tokens = [
          ".".repeat(60_000),
          "a.".repeat(30_000),
          `${"e".repeat(60_000)}.e.e`,
          `${"-".repeat(20_000)}.${"_".repeat(20_000)}.${"A".repeat(20_000)}`,
          `${part({ alg: "EdDSA", kid: "k".repeat(10_000) })}.${rest}`,
          `${part({ alg: "none" })}.${part({ compute_id: "compute-rig" })}.`,
          `${part({ alg: "HS256", kid: "rig" })}.${rest}`,
          `${part({ alg: ["EdDSA"] })}.${rest}`,
          `${text(`{"alg":"EdDSA","alg":"EdDSA"}`)}.${rest}`,
          `${part({ alg: "EdDSA" })}.${text("[".repeat(10_000))}.AAAA`,
          `${part({ alg: "EdDSA" })}.${text(`{"exp":${"9".repeat(10_000)}}`)}.AAAA`,
          `${part({ alg: "EdDSA" })}.${part({ aud: Array.from({ length: 3000 }, () => "c") })}.AAAA`,
          `${part({ alg: "EdDSA" })}.${text(`{${'"aud":1,'.repeat(1200)}"b":1}`)}.AAAA`,
          `${part({ alg: "EdDSA" })}.${text("\ufffe\u0000")}.AAAA`
        ]
        const { longest, value } = yield* beside(
          compute,
          Effect.forEach(tokens, (token) =>
            Effect.map(compute.http({ path: "/status", token: `Bearer ${token}` }), ({ status }) => status)
          )
        )
        assert.deepStrictEqual(new Set(value), new Set([401]))
        assert.isBelow(longest, PROMPT)
        assert.deepStrictEqual(yield* asks(compute, [keys]), [200])
      }),
    LIMIT
  )
})

import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { base64Url, bearer, type Claims, denial, isExpired, parseToken } from "../../../src/domain/api/Claims.ts"

const encode = (value: unknown) =>
  Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url")
const token = (claims: unknown, header: unknown = { alg: "EdDSA" }) =>
  `${encode(header)}.${encode(claims)}.${encode("s")}`
const claims = (more: Partial<Claims> = {}): Claims => ({
  computeId: null,
  scope: null,
  audience: null,
  expires: null,
  ...more
})

describe("the Authorization header", () => {
  const cases: ReadonlyArray<readonly [string | undefined, string | null]> = [
    [undefined, null],
    ["", null],
    ["Bearer", null],
    ["Basic eA==", null],
    ["Bearerx", null],
    ["Bearer x", "x"],
    ["bEARER   x", "x"],
    ["Bearer x y", "x y"],
    ["Bearer \u00e9", null]
  ]
  for (const [header, expected] of cases) {
    it(JSON.stringify(header ?? null), () => assert.strictEqual(bearer(header), expected))
  }
})

describe("a token", () => {
  it("has its claims, nulls being absent", () => {
    const jws = parseToken(token({ compute_id: "a", scope: null, aud: null, exp: 5.6, iss: 7 }))
    assert.deepStrictEqual(jws?.claims, claims({ computeId: "a", expires: 6 }))
    assert.strictEqual(jws?.algorithm, "EdDSA")
  })

  const unreadable: Record<string, string> = {
    empty: "",
    "two parts": "a.b",
    "four parts": `${token({})}.x`,
    "no JSON": token("{"),
    "more than JSON": token("{} {}"),
    "a list": token([]),
    "aud as a string": token({ aud: "compute" }),
    "aud with a number": token({ aud: [1] }),
    "another scope": token({ scope: "compute_ctl" }),
    "compute_id of another kind": token({ compute_id: 1 }),
    "compute_id twice": token('{"compute_id":"a","compute_id":"b"}'),
    "no alg": token({}, {}),
    "kid of another kind": token({}, { alg: "EdDSA", kid: 1 }),
    "padded parts": token({}).replace(/^[^.]*/, (part) => `${part}=`),
    "plain base64": token({ compute_id: "????>>>>" }).replace(/[-_]/g, (c) => (c === "-" ? "+" : "/"))
  }
  for (const [name, text] of Object.entries(unreadable)) {
    it(`${name} is no token`, () => assert.isNull(parseToken(text)))
  }

  for (const exp of ['"1"', "null", "-1", "true", "[1]", "1e400", "18446744073709551616"]) {
    it(`exp ${exp} is no expiry`, () => {
      const jws = parseToken(token(`{"exp":${exp}}`))
      // A number that is none at all is not JSON.
      assert.isTrue(jws === null ? exp === "1e400" : jws.claims.expires === null)
    })
  }

  it("is taken for a minute after its expiry", () => {
    const now = 1_000_000
    assert.deepStrictEqual(
      [now + 1, now, now - 60, now - 61].map((expires) => isExpired(claims({ expires }), now)),
      [false, false, false, true]
    )
    assert.isFalse(isExpired(claims(), now))
  })

  it("never makes the reader throw", () => {
    fc.assert(
      fc.property(fc.string(), fc.json(), fc.json(), (garbage, header, body) => {
        parseToken(garbage)
        parseToken(`${garbage}.${garbage}.${garbage}`)
        const jws = parseToken(token(body, header))
        return jws === null || typeof jws.algorithm === "string"
      })
    )
  })
})

it("base64url has one form for each value", () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.base64String(), (bytes, text) => {
      const encoded = Buffer.from(bytes).toString("base64url")
      assert.deepStrictEqual(base64Url(encoded) && Buffer.from(base64Url(encoded) ?? []), Buffer.from(bytes))
      const read = base64Url(text)
      return read === null || Buffer.from(read).toString("base64url") === text
    })
  )
})

describe("claims", () => {
  const anyClaims: fc.Arbitrary<Claims> = fc.record({
    computeId: fc.option(fc.constantFrom("own", "other", "")),
    scope: fc.option(fc.constant("compute_ctl:admin" as const)),
    audience: fc.option(fc.array(fc.constantFrom("compute", "storage", ""))),
    expires: fc.option(fc.nat())
  })

  it("open the compute for an administrator of computes, or for its own id", () => {
    fc.assert(
      fc.property(anyClaims, (given) => {
        const allowed =
          given.scope === null ? given.computeId === "own" : (given.audience?.includes("compute") ?? false)
        const denied = denial(given, "own")
        assert.strictEqual(denied === null, allowed)
        // Who is not known gets 401, who has a token of the wrong compute 403.
        if (denied !== null) assert.strictEqual(denied.status, given.scope === null ? 403 : 401)
      })
    )
  })

  it("say what is wrong", () => {
    const texts = [
      claims({ scope: "compute_ctl:admin" }),
      claims({ scope: "compute_ctl:admin", audience: ["invalid"] }),
      claims(),
      claims({ computeId: "other" })
    ].map((given) => denial(given, "own")?.text)
    assert.deepStrictEqual(texts, [
      "missing audience in authorization token claims",
      "invalid audience in authorization token claims",
      "missing compute_id in authorization token claims",
      "invalid compute ID in authorization token claims"
    ])
  })
})

import { assert, describe, it } from "@effect/vitest"
import { brought, heldKeys, type KeyRing, setsOf, started } from "../../../src/domain/api/KeyRing.ts"
import type { Jwk } from "../../../src/domain/spec/ComputeConfig.ts"

const key = (x: string, kid: string | null = x): Jwk => ({
  kty: "OKP",
  crv: "Ed25519",
  x,
  use: null,
  key_ops: null,
  alg: "EdDSA",
  kid
})
const set = (...names: ReadonlyArray<string>) => ({ keys: names.map((name) => key(name)) })
const having = (ring: KeyRing, ...sets: ReadonlyArray<ReadonlyArray<string>>): KeyRing =>
  sets.reduce((found, names, index) => brought(found, set(...names), index + 1) ?? found, ring)
const counting = (ring: KeyRing) => new Set(setsOf(ring).flatMap(({ keys }) => keys.map(({ kid }) => kid)))

describe("KeyRing", () => {
  const ring = started(set("a"), 0)

  it("keeps what the process was started with through any number of sets", () => {
    assert.deepStrictEqual(counting(having(ring, ["b"], ["c"], ["d"], ["e"])), new Set(["a", "e", "d"]))
  })

  it("lets a key go when a third set comes without it", () => {
    assert.deepStrictEqual(counting(having(ring, ["b"])), new Set(["a", "b"]))
    assert.deepStrictEqual(counting(having(ring, ["b"], ["c"])), new Set(["a", "b", "c"]))
    assert.deepStrictEqual(counting(having(ring, ["b"], ["c"], ["d"])), new Set(["a", "c", "d"]))
    assert.deepStrictEqual(counting(having(ring, ["b"], ["b", "c"], ["c"], ["d"])), new Set(["a", "c", "d"]))
  })

  it("changes nothing for an empty set, nor for one that counts already, in any order", () => {
    assert.isNull(brought(ring, set(), 1))
    assert.isNull(brought(ring, set("a"), 1))
    const two = having(ring, ["b", "c"])
    assert.isNull(brought(two, set("c", "b"), 2))
    assert.deepStrictEqual(counting(having(two, ["c", "b"], ["c", "b"])), new Set(["a", "b", "c"]))
  })

  it("shows each key once, since it came", () => {
    const shown = heldKeys(having(ring, ["b", "a"], ["c", "b"]))
    assert.deepStrictEqual(shown, [
      { kid: "a", since: 0, counts: "always" },
      { kid: "c", since: 2, counts: "newest" },
      { kid: "b", since: 1, counts: "newest" }
    ])
    assert.deepStrictEqual(heldKeys(started({ keys: [key("x", null)] }, 5)), [
      { kid: "#0", since: 5, counts: "always" }
    ])
  })
})

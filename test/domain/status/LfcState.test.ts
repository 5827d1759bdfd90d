import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { isSegment, lfcStateObject, mayOffload } from "../../../src/domain/status/LfcState.ts"
import { spec } from "../../programs/fakes.ts"

const stored = { endpoint_storage_addr: "es:51243", endpoint_storage_token: "t" }

describe("state of the local file cache", () => {
  it("lies under tenant, timeline and endpoint", () => {
    const object = Result.getOrThrow(lfcStateObject(spec(stored), null))
    assert.strictEqual(object.address, "es:51243")
    assert.strictEqual(
      object.path.join("/"),
      "b0554b632bd4d547a63b86c3630317e8/1e8a3f1d2c4b5a69788796a5b4c3d2e1/ep-1/lfc_state"
    )
    assert.strictEqual(Result.getOrThrow(lfcStateObject(spec(stored), "other")).path[2], "other")
  })

  it("cannot be found without its parts", () => {
    const fault = (members: object, from: string | null = null) =>
      Result.getOrThrow(Result.flip(lfcStateObject(spec({ ...members }), from)))
    assert.strictEqual(
      fault({ ...stored, endpoint_id: null }),
      "pspec.endpoint_id missing, other endpoint_id not provided"
    )
    assert.strictEqual(fault({}), "pspec.endpoint_storage_addr missing")
    assert.strictEqual(fault({ endpoint_storage_addr: "es:1" }), "pspec.endpoint_storage_token missing")
    assert.include(fault(stored, "../other"), "not one path segment")
    assert.isTrue(Result.isFailure(lfcStateObject(null, "e")))
  })

  it.each(["", ".", "..", "a/b", "a\\b", "a\nb", "\0"])("does not take %j as one segment", (name) => {
    assert.isFalse(isSegment(name))
  })

  it("is not replaced by that of a half-warm cache", () => {
    assert.isTrue(mayOffload({ status: "skipped" }))
    assert.isTrue(mayOffload({ status: "not_prewarmed" }))
    assert.isFalse(mayOffload({ status: "prewarming" }))
    assert.isFalse(mayOffload({ status: "cancelled" }))
    assert.isFalse(mayOffload({ status: "failed", error: "" }))
  })
})

import { describe, expect, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { isSegment, lfcStateObject, mayOffload } from "../../../src/domain/status/LfcState.ts"
import { spec } from "../../programs/fakes.ts"

const stored = { endpoint_storage_addr: "es:51243", endpoint_storage_token: "t" }

describe("state of the local file cache", () => {
  it("lies under tenant, timeline and endpoint", () => {
    const object = Result.getOrThrow(lfcStateObject(spec(stored), null))
    expect(object.address).toBe("es:51243")
    expect(object.path.join("/")).toBe(
      "b0554b632bd4d547a63b86c3630317e8/1e8a3f1d2c4b5a69788796a5b4c3d2e1/ep-1/lfc_state"
    )
    expect(Result.getOrThrow(lfcStateObject(spec(stored), "other")).path[2]).toBe("other")
  })

  it("cannot be found without its parts", () => {
    const fault = (members: object, from: string | null = null) =>
      Result.getOrThrow(Result.flip(lfcStateObject(spec({ ...members }), from)))
    expect(fault({ ...stored, endpoint_id: null })).toBe("pspec.endpoint_id missing, other endpoint_id not provided")
    expect(fault({})).toBe("pspec.endpoint_storage_addr missing")
    expect(fault({ endpoint_storage_addr: "es:1" })).toBe("pspec.endpoint_storage_token missing")
    expect(fault(stored, "../other")).toContain("not one path segment")
    expect(Result.isFailure(lfcStateObject(null, "e"))).toBe(true)
  })

  it.each(["", ".", "..", "a/b", "a\\b", "a\nb", "\0"])("does not take %j as one segment", (name) => {
    expect(isSegment(name)).toBe(false)
  })

  it("is not replaced by that of a half-warm cache", () => {
    expect(mayOffload({ status: "skipped" })).toBe(true)
    expect(mayOffload({ status: "not_prewarmed" })).toBe(true)
    expect(mayOffload({ status: "prewarming" })).toBe(false)
    expect(mayOffload({ status: "cancelled" })).toBe(false)
    expect(mayOffload({ status: "failed", error: "" })).toBe(false)
  })
})

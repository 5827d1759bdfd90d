/**
 * Where an endpoint's cache state is kept, and when a saved state may be replaced.
 *
 * Source: `compute_tools/src/compute_prewarm.rs`.
 */

import type * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { excerpt } from "../json/Excerpt.ts"
import type { ParsedSpec } from "../spec/ParsedSpec.ts"
import type { PrewarmState } from "./Operations.ts"

export interface LfcStateObject {
  readonly address: string
  readonly token: Redacted.Redacted<string>
  readonly path: ReadonlyArray<string>
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const UNSAFE = /[/\\\u0000-\u001f\u007f]/

/** Whether a name can stand as one segment of a path and mean nothing else. */
export const isSegment = (name: string): boolean => name !== "" && name !== "." && name !== ".." && !UNSAFE.test(name)

/** The state of `from`, or of the compute's own endpoint. Left is the text clients know. */
export const lfcStateObject = (spec: ParsedSpec | null, from: string | null): Result.Result<LfcStateObject, string> => {
  if (spec === null) return Result.fail("the compute has no spec yet")
  const endpoint = from ?? spec.spec.endpoint_id
  if (endpoint === null) return Result.fail("pspec.endpoint_id missing, other endpoint_id not provided")
  if (!isSegment(endpoint))
    return Result.fail(`endpoint id ${JSON.stringify(excerpt(endpoint))} is not one path segment`)
  if (spec.endpointStorageAddr === null) return Result.fail("pspec.endpoint_storage_addr missing")
  if (spec.endpointStorageToken === null) return Result.fail("pspec.endpoint_storage_token missing")
  return Result.succeed({
    address: spec.endpointStorageAddr,
    token: spec.endpointStorageToken,
    path: [spec.tenantId, spec.timelineId, endpoint, "lfc_state"]
  })
}

/** A cache that is half warm must not replace the state of a warm one. */
export const mayOffload = (prewarm: PrewarmState): boolean =>
  prewarm.status === "completed" || prewarm.status === "not_prewarmed" || prewarm.status === "skipped"

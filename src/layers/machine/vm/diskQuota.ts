/**
 * The quota of the file system that holds the local file cache and the data directory.
 *
 * Source: `compute_tools/src/disk_quota.rs`.
 */
import * as Effect from "effect/Effect"
import { Places } from "../Places.ts"
import { runAsRoot } from "./sudo.ts"

/** Rounds down to whole KiB; 0 lifts the quota. */
export const setDiskQuota = Effect.fn("set_disk_quota")(function* (bytes: bigint, mount: string) {
  const { quotaTool } = yield* Places
  yield* runAsRoot(quotaTool, String(bytes / 1024n), mount)
})

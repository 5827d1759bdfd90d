/**
 * The quota of the file system that holds the local file cache and the data directory.
 *
 * Source: `compute_tools/src/disk_quota.rs`.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Children } from "../child/Children.ts"
import { Places } from "../Places.ts"
import { runAsRoot } from "./sudo.ts"

export class DiskQuotaFailed extends Data.TaggedError("DiskQuotaFailed")<{ readonly message: string }> {}

export class DiskQuota extends Context.Service<
  DiskQuota,
  {
    /** Rounds down to whole KiB; 0 lifts the quota. */
    readonly set: (bytes: bigint, mount: string) => Effect.Effect<void, DiskQuotaFailed>
  }
>()("compute/DiskQuota") {
  static readonly layer = Layer.effect(
    this,
    Effect.suspend(() => make)
  )
}

const LIMIT = "60 seconds"

const make = Effect.gen(function* () {
  const children = yield* Children
  const { quotaTool, sudo } = yield* Places
  return DiskQuota.of({
    set: (bytes, mount) =>
      runAsRoot(children, sudo, [quotaTool, String(bytes / 1024n), mount], LIMIT).pipe(
        Effect.mapError(({ message }) => new DiskQuotaFailed({ message })),
        Effect.withSpan("set_disk_quota")
      )
  })
})

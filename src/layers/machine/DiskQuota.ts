/**
 * The quota of the file system that holds the local file cache and the data directory.
 *
 * Source: `compute_tools/src/disk_quota.rs`.
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Children } from "./child/Children.ts"
import { runAsRoot, SUDO } from "./sudo.ts"

export class DiskQuotaFailed extends Data.TaggedError("DiskQuotaFailed")<{ readonly message: string }> {}

export interface DiskQuotaPlaces {
  readonly sudo: string
  readonly tool: string
}

const places: DiskQuotaPlaces = { sudo: SUDO, tool: "/neonvm/bin/set-disk-quota" }

export class DiskQuota extends Context.Service<
  DiskQuota,
  {
    /** Rounds down to whole KiB; 0 lifts the quota. */
    readonly set: (bytes: bigint, mount: string) => Effect.Effect<void, DiskQuotaFailed>
  }
>()("compute/DiskQuota") {
  static readonly layerAt = (at: DiskQuotaPlaces) =>
    Layer.effect(
      this,
      Effect.suspend(() => make(at))
    )
  static readonly layer = this.layerAt(places)
}

const LIMIT = "60 seconds"

const make = (at: DiskQuotaPlaces) =>
  Effect.map(Children, (children) =>
    DiskQuota.of({
      set: (bytes, mount) =>
        runAsRoot(children, at.sudo, [at.tool, String(bytes / 1024n), mount], LIMIT).pipe(
          Effect.mapError(({ message }) => new DiskQuotaFailed({ message })),
          Effect.withSpan("set_disk_quota")
        )
    })
  )

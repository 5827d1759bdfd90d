/**
 * An answer of Postgres' own exporter.
 */
import * as Data from "effect/Data"
import type * as Stream from "effect/Stream"

/** `unreachable`: nobody listens. The message is the one clients know. */
export class ExporterFailed extends Data.TaggedError("ExporterFailed")<{
  readonly message: string
  readonly unreachable: boolean
}> {}

export interface Exported {
  readonly status: number
  readonly contentType: string | null
  readonly body: Stream.Stream<Uint8Array, ExporterFailed>
}

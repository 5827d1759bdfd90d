/**
 * An answer of Postgres' own exporter.
 */
import * as Data from "effect/Data"

/** `unreachable`: nobody listens. The message is the one clients know. */
export class ExporterFailed extends Data.TaggedError("ExporterFailed")<{
  readonly message: string
  readonly unreachable: boolean
}> {}

export interface Exported {
  readonly status: number
  readonly contentType: string | null
  readonly body: Uint8Array
}

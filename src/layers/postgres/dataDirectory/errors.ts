import * as Data from "effect/Data"

/** A file of the data directory could not be written or is not what it should be. */
export class DataDirectoryFailed extends Data.TaggedError("DataDirectoryFailed")<{
  readonly path: string
  readonly reason: string
  /** Another try would meet the same. */
  readonly permanent?: boolean
}> {
  override get message() {
    return `${this.path}: ${this.reason}`
  }
}

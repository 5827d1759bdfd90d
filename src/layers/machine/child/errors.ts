import * as Data from "effect/Data"

/** A program could not be started: it is missing, not executable, or the account may not run it. */
export class SpawnFailed extends Data.TaggedError("SpawnFailed")<{
  readonly program: string
  readonly reason: string
}> {
  override get message() {
    return `could not run ${this.program}: ${this.reason}`
  }
}

/**
 * A request that is refused before its handler has seen it: query, path or body are not what the endpoint takes.
 */
import * as Data from "effect/Data"

export class Rejection extends Data.TaggedError("Rejection")<{ readonly status: number; readonly text: string }> {
  override get message() {
    return this.text
  }
}

/**
 * A request that is refused before its handler has seen it: query, path or body are not what the endpoint takes.
 */
import * as Data from "effect/Data"

/** What is wrong with a document, or with nobody to read it. */
export interface Fault {
  /** JSON path; empty for the document itself. */
  readonly path: string
  readonly message: string
}

export class Rejection extends Data.TaggedError("Rejection")<{
  readonly status: number
  readonly text: string
  /** All of them, where they are asked for. */
  readonly faults?: ReadonlyArray<Fault>
}> {
  override get message() {
    return this.text
  }
}

import * as Data from "effect/Data"
import type { Denied } from "../../../domain/api/Claims.ts"

/** The request is refused. `message` is the text clients know; it never holds a part of the token. */
export class Unauthorized extends Data.TaggedError("Unauthorized")<Denied> {
  override get message() {
    return this.text
  }
}

import * as Data from "effect/Data"
import type { Healing } from "../../../domain/storage/PageserverFault.ts"

export class PageserverFailed extends Data.TaggedError("PageserverFailed")<{
  readonly message: string
  /** Whether another try may succeed. */
  readonly healing: Healing
  /** SQLSTATE or gRPC status. */
  readonly code: string | null
}> {
  get transient() {
    return this.healing !== "never"
  }
}

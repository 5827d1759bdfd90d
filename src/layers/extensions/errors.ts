import * as Data from "effect/Data"
import { excerpt } from "../../domain/json/Excerpt.ts"

/** `--remote-ext-base-url` was not given. */
export class NoExtensionStore extends Data.TaggedError("NoExtensionStore") {
  override get message() {
    return "remote storage is not configured"
  }
}

/** There is no spec yet, or it says nothing of remote extensions. */
export class NoExtensionInfo extends Data.TaggedError("NoExtensionInfo") {
  override get message() {
    return "information about remote extensions is unavailable"
  }
}

/** The archive could not be had or put in place. */
export class DownloadFailed extends Data.TaggedError("DownloadFailed")<{
  readonly extension: string
  readonly reason: string
}> {
  override get message() {
    return `error downloading extension ${JSON.stringify(excerpt(this.extension))}: ${this.reason}`
  }
}

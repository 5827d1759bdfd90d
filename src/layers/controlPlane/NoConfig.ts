import * as Data from "effect/Data"

/** The configuration could not be had; `message` names the file or the request, and the JSON path. */
export class NoConfig extends Data.TaggedError("NoConfig")<{ readonly message: string; readonly cause?: Error }> {}

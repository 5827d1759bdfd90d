import * as Data from "effect/Data"

/** The server could not listen, or its address is not one. */
export class VmMonitorFailed extends Data.TaggedError("VmMonitorFailed")<{ readonly message: string }> {}

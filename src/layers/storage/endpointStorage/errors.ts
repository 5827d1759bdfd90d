import * as Data from "effect/Data"

/** No answer: the connection failed, broke, or took too long. */
export class EndpointStorageFailed extends Data.TaggedError("EndpointStorageFailed")<{ readonly message: string }> {}

/**
 * What an endpoint says of itself beyond its schemas, as annotations.
 */
import * as Context from "effect/Context"

export type Audience = "external" | "internal"

/** For bodies with a whole spec in them. */
export const SPEC_LIMIT = 64 * 1024 * 1024

/** The bytes a body may have, inclusive. By default names of objects fit; the original takes 2 MiB of anything. */
export const Limit = Context.Reference<number>("http/api/Limit", { defaultValue: () => 64 * 1024 })

/** Who words a refused body or query: our own `{"error"}` in lower case, or plain text in the library's case. */
export const Wording = Context.Reference<"json" | "text">("http/api/Wording", { defaultValue: () => "json" })

/** Asked all the time by machines: neither the request nor the answer is logged, and it is served whatever else is. */
export const Quiet = Context.Reference<boolean>("http/api/Quiet", { defaultValue: () => false })

/** Asked by scrapers, or by probes of others: it makes no trace. */
export const Scraped = Context.Reference<boolean>("http/api/Scraped", { defaultValue: () => false })

/** What happens to the work when the client goes away. By default reads are cancelled, and changes go on. */
export const OnDisconnect = Context.Reference<"cancel" | "continue" | null>("http/api/OnDisconnect", {
  defaultValue: () => null
})

/** Where a URI has a `?`, one of these parameters stands behind it; the first one is named when none does. */
export const OneOf = Context.Reference<ReadonlyArray<string>>("http/api/OneOf", { defaultValue: () => [] })

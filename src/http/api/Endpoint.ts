/**
 * One endpoint of the API, as data. No Node module is imported here: the router, the client and the OpenAPI document
 * are all made from these values.
 */
import type * as Schema from "effect/Schema"
import type { Params, Query } from "./Query.ts"

export type Method = "GET" | "POST" | "DELETE"
export type Audience = "external" | "internal"

/** The bytes a body may have unless an endpoint says more, inclusive. Names of objects fit; the original takes 2 MiB of anything. */
export const BODY_LIMIT = 64 * 1024
/** For bodies with a whole spec in them. */
export const SPEC_LIMIT = 64 * 1024 * 1024

/** The names in a path template: `{name}` is one segment, `{*name}` is all the rest, at least one byte. */
export type PathParams<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? (Name extends `*${infer Wild}` ? Wild : Name) | PathParams<Rest>
  : never

// biome-ignore lint/suspicious/noExplicitAny: the encoded side of a body's schema is JSON, which the decoder checks
export type BodySchema<B> = Schema.Codec<B, any, never>

export interface Endpoint<Path extends string = string, Q = unknown, B = unknown> {
  readonly name: string
  readonly server: Audience
  readonly method: Method
  readonly path: Path
  /** Whether a token is demanded. Always false on the internal server. */
  readonly auth: boolean
  readonly summary: string
  readonly query: Query<Q> | undefined
  readonly body: BodySchema<B> | undefined
  /** Largest body in bytes, inclusive. */
  readonly limit: number
  /** Who words a refused body or query: our own `{"error"}` in lower case, or plain text in the library's case. */
  readonly rejections: "json" | "text"
  /** What happens to the work when the client goes away: reads are cancelled, changes go on. */
  readonly onDisconnect: "cancel" | "continue"
  /** Asked all the time by machines: neither the request nor the answer is logged. */
  readonly quiet: boolean
  /** Status of success -> what its body is. */
  readonly success: Readonly<Record<number, string>>
  /** Statuses of failure beyond those that follow from `auth`, `query` and `body`. */
  readonly failures: ReadonlyArray<number>
}

/** An endpoint whatever its query and body are: for lists, and for what is printed of them. */
export type Described = Omit<Endpoint, "query" | "body"> & {
  readonly query: { readonly params: Params } | undefined
  readonly body: Schema.Constraint | undefined
}

interface Definition<Path extends string, Q, B> {
  readonly server?: Audience
  readonly method: Method
  readonly path: Path
  readonly auth?: boolean
  readonly summary: string
  readonly query?: Query<Q>
  readonly body?: BodySchema<B>
  readonly limit?: number
  readonly rejections?: "json" | "text"
  readonly onDisconnect?: "cancel" | "continue"
  readonly quiet?: boolean
  readonly success?: Readonly<Record<number, string>>
  readonly failures?: ReadonlyArray<number>
}

/** Defaults: external, with a token; JSON rejections; GET is cancelled by a disconnect, the others go on. */
export const endpoint = <const Path extends string, Q = undefined, B = undefined>(
  name: string,
  definition: Definition<Path, Q, B>
): Endpoint<Path, Q, B> => ({
  name,
  server: definition.server ?? "external",
  method: definition.method,
  path: definition.path,
  auth: definition.auth ?? definition.server !== "internal",
  summary: definition.summary,
  query: definition.query,
  body: definition.body,
  limit: definition.limit ?? BODY_LIMIT,
  rejections: definition.rejections ?? "json",
  onDisconnect: definition.onDisconnect ?? (definition.method === "GET" ? "cancel" : "continue"),
  quiet: definition.quiet ?? false,
  success: definition.success ?? { 200: "application/json" },
  failures: definition.failures ?? []
})

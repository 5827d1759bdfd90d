/**
 * The pageserver of shard 0, which makes basebackups, and all of them for leases. libpq and gRPC behind one interface,
 * chosen by the spec's `prefer_protocol`.
 *
 * Source: `compute_tools/src/compute.rs`, `compute_tools/src/lsn_lease.rs`, `pageserver/src/page_service.rs`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { Lsn } from "../../../domain/spec/Lsn.ts"
import type { ParsedSpec } from "../../../domain/spec/ParsedSpec.ts"
import {
  basebackupEndpoint,
  leaseEndpoints,
  type PageserverEndpoint
} from "../../../domain/storage/PageserverEndpoint.ts"
import { PageserverFailed } from "./errors.ts"
import { openLibpq } from "./libpq.ts"
import { limits, type PageserverSession } from "./PageserverSession.ts"

export { PageserverFailed } from "./errors.ts"

export interface Basebackup {
  /** Compressed bytes up to the true end: the stream fails when the server reports an error after the last byte of the archive. */
  readonly bytes: Stream.Stream<Uint8Array, PageserverFailed>
  /** What connecting took, whether or not somebody waited for it. */
  readonly connectMicros: number
}

/** One try. An LSN of `0/0` asks for the latest. */
export type RequestBasebackup = (lsn: Lsn) => Effect.Effect<Basebackup, PageserverFailed, Scope.Scope>

export class Pageserver extends Context.Service<
  Pageserver,
  {
    /** One try, with a connection of its own. */
    readonly basebackup: (spec: ParsedSpec, lsn: Lsn) => Effect.Effect<Basebackup, PageserverFailed, Scope.Scope>
    /**
     * Begins to connect and does not wait for it, so that the connection is there when the LSN is known. The first request
     * uses it if it is still good, and closes it with its scope; every other one, and the first where it is not or where it is so
     * old that something on the way may have forgotten it, opens its own. It closes with the scope at the latest.
     */
    readonly connectEarly: (spec: ParsedSpec) => Effect.Effect<RequestBasebackup, never, Scope.Scope>
    /**
     * Leases `lsn` on every pageserver of every shard at once.
     * Succeeds with the earliest expiry, epoch milliseconds; null when any of them refused.
     */
    readonly leaseLsn: (spec: ParsedSpec, lsn: Lsn) => Effect.Effect<number | null, PageserverFailed>
  }
>()("compute/Pageserver") {
  static readonly layer = Layer.sync(this, () =>
    Pageserver.of({ basebackup: (spec, lsn) => Effect.flatMap(openFor(spec), request(lsn)), connectEarly, leaseLsn })
  )
}

const misconfigured = (message: string) => new PageserverFailed({ message, code: null, healing: "never" })

const open = (
  spec: ParsedSpec,
  endpoint: PageserverEndpoint,
  purpose: "basebackup" | "lease"
): Effect.Effect<PageserverSession, PageserverFailed, Scope.Scope> =>
  endpoint.protocol === "libpq"
    ? openLibpq(spec, endpoint, purpose)
    : Effect.flatMap(
        Effect.promise(() => import("./grpc.ts")),
        ({ openGrpc }) => openGrpc(spec, endpoint)
      )

const openFor = (spec: ParsedSpec) =>
  Effect.flatMap(Effect.fromResult(Result.mapError(basebackupEndpoint(spec.pageserver), misconfigured)), (endpoint) =>
    open(spec, endpoint, "basebackup")
  )

const request =
  (lsn: Lsn) =>
  (session: PageserverSession): Effect.Effect<Basebackup, PageserverFailed> =>
    Effect.map(session.basebackup(lsn), (bytes) => ({ bytes, connectMicros: session.connectMicros }))

const connectEarly = (spec: ParsedSpec): Effect.Effect<RequestBasebackup, never, Scope.Scope> =>
  Effect.gen(function* () {
    const own = yield* Scope.fork(yield* Effect.scope)
    const begun = performance.now()
    const opening = yield* Effect.forkScoped(Effect.option(openFor(spec)), { startImmediately: true }).pipe(
      Scope.provide(own)
    )
    const unused = yield* Ref.make(true)
    const early = Effect.gen(function* () {
      if (!(yield* Ref.getAndSet(unused, false))) return null
      // It ends with the try that had it: others open their own, and a pageserver need not hold two.
      yield* Effect.addFinalizer((exit) => Scope.close(own, exit))
      const session = performance.now() - begun < limits.fresh ? yield* Fiber.join(opening) : Option.none()
      if (Option.isSome(session) && (yield* session.value.isOpen)) return session.value
      yield* Scope.close(own, Exit.void)
      return null
    })
    return (lsn) =>
      Effect.flatMap(early, (session) =>
        Effect.flatMap(session === null ? openFor(spec) : Effect.succeed(session), request(lsn))
      )
  })

const leaseAt = (spec: ParsedSpec, lsn: Lsn) => (endpoint: PageserverEndpoint) =>
  Effect.flatMap(open(spec, endpoint, "lease"), (session) => session.leaseLsn(lsn)).pipe(
    Effect.scoped,
    Effect.timeoutOrElse({
      duration: limits.connect + limits.lease,
      orElse: () =>
        Effect.fail(
          new PageserverFailed({ message: "no answer to the request for a lease", code: null, healing: "passing" })
        )
    })
  )

const leaseLsn = (spec: ParsedSpec, lsn: Lsn): Effect.Effect<number | null, PageserverFailed> =>
  Effect.gen(function* () {
    const endpoints = yield* Effect.fromResult(Result.mapError(leaseEndpoints(spec.pageserver), misconfigured))
    const expiries = yield* Effect.forEach(endpoints, leaseAt(spec, lsn), { concurrency: "unbounded" })
    return expiries.reduce(
      (earliest, expiry) => (earliest === null || expiry === null ? null : Math.min(earliest, expiry)),
      Number.MAX_SAFE_INTEGER
    )
  }).pipe(Effect.withSpan("lease lsn"))

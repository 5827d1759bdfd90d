/**
 * A pageserver by gRPC.
 *
 * Source: `pageserver/page_api/proto/page_service.proto`, `pageserver/page_api/src/client.rs`.
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { formatShardIndex } from "../../../domain/spec/Ids.ts"
import type { Lsn } from "../../../domain/spec/Lsn.ts"
import type { ParsedSpec } from "../../../domain/spec/ParsedSpec.ts"
import * as PageApi from "../../../domain/storage/PageApi.ts"
import type { PageserverEndpoint } from "../../../domain/storage/PageserverEndpoint.ts"
import type { PageserverFailed } from "./errors.ts"
import { grpcFailed, type Messages, openClient } from "./GrpcClient.ts"
import { limits, type PageserverSession } from "./PageserverSession.ts"

const REFUSED = PageApi.statusName(PageApi.status.FAILED_PRECONDITION)

const malformed = (reason: string): PageserverFailed =>
  grpcFailed(PageApi.status.INTERNAL, `invalid response: ${reason}`)

const metadataOf = (spec: ParsedSpec, endpoint: PageserverEndpoint): Readonly<Record<string, string>> => ({
  [PageApi.metadata.tenant]: spec.tenantId,
  [PageApi.metadata.timeline]: spec.timelineId,
  [PageApi.metadata.shard]: formatShardIndex(endpoint.shard),
  ...(spec.storageAuthToken !== null && {
    [PageApi.metadata.authorization]: `Bearer ${Redacted.value(spec.storageAuthToken)}`
  })
})

const decodeAll = <A>(messages: ReadonlyArray<Uint8Array>, decode: (message: Uint8Array) => Result.Result<A, string>) =>
  Result.mapError(Result.all(messages.map(decode)), malformed)

/** Messages in a row that may bring nothing; one that sends them for ever would be listened to for ever. */
const PATIENCE = 1_000

/** The first message is awaited, so that a refusal is the call's failure and not the stream's. */
const chunks = (messages: Messages): Effect.Effect<Stream.Stream<Uint8Array, PageserverFailed>, PageserverFailed> =>
  Effect.gen(function* () {
    let idle = 0
    const next = Effect.flatMap(messages, (all) => {
      const chunks = decodeAll(all, PageApi.decodeBaseBackupChunk)
      idle = Result.isSuccess(chunks) && chunks.success.every(({ length }) => length === 0) ? idle + all.length : 0
      return idle > PATIENCE
        ? Effect.fromResult(Result.fail(malformed("messages without content")))
        : Effect.fromResult(chunks)
    })
    const first = yield* next
    if (first.length === 0) return yield* Effect.fail(malformed("no message"))
    const rest = Stream.fromIterableEffectRepeat(
      Effect.flatMap(next, (all) => (all.length === 0 ? Cause.done() : Effect.succeed(all)))
    )
    return Stream.concat(Stream.fromIterable(first), rest)
  })

export const openGrpc = (
  spec: ParsedSpec,
  endpoint: PageserverEndpoint
): Effect.Effect<PageserverSession, PageserverFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const client = yield* openClient(endpoint.url, metadataOf(spec, endpoint), limits.connect)
    const scope = yield* Effect.scope
    const basebackupRequest = (lsn: Lsn) =>
      PageApi.encodeGetBaseBackupRequest({
        lsn,
        replica: spec.spec.mode !== "Primary",
        full: false,
        compression: "gzip"
      })
    return {
      connectMicros: client.connectMicros,
      isOpen: client.isOpen,
      basebackup: (lsn) =>
        client
          .stream(PageApi.path.getBaseBackup, basebackupRequest(lsn), limits.basebackupStall)
          .pipe(Effect.flatMap(chunks), Scope.provide(scope)),
      leaseLsn: (lsn) =>
        client.unary(PageApi.path.leaseLsn, PageApi.encodeLeaseLsnRequest(lsn), limits.lease).pipe(
          Effect.flatMap((message) =>
            Effect.fromResult(Result.mapError(PageApi.decodeLeaseLsnResponse(message), malformed))
          ),
          Effect.catchIf(
            (failure) => failure.code === REFUSED,
            () => Effect.succeed(null)
          )
        )
    }
  })

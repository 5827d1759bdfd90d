/**
 * A pageserver by gRPC.
 *
 * Source: `pageserver/page_api/proto/page_service.proto`, `pageserver/page_api/src/client.rs`.
 */
import * as Chunk from "effect/Chunk"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { formatShardIndex } from "../../domain/Ids.ts"
import * as PageApi from "../../domain/PageApi.ts"
import type { PageserverEndpoint } from "../../domain/PageserverEndpoint.ts"
import type { ParsedSpec } from "../../domain/ParsedSpec.ts"
import { openChannel } from "./Channel.ts"
import { type GrpcCall, grpcFailed } from "./GrpcCall.ts"
import type { PageserverFailed } from "./PageserverFailed.ts"
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

const decodeAll = <A>(messages: ReadonlyArray<Uint8Array>, decode: (message: Uint8Array) => Either.Either<A, string>) =>
  Either.mapLeft(Either.all(messages.map(decode)), malformed)

/** The first message is awaited, so that a refusal is the call's failure and not the stream's. */
const chunks = (call: GrpcCall): Effect.Effect<Stream.Stream<Uint8Array, PageserverFailed>, PageserverFailed> =>
  Effect.gen(function* () {
    const next = Effect.flatMap(call.messages, (messages) => decodeAll(messages, PageApi.decodeBaseBackupChunk))
    const first = yield* next
    const rest = Stream.repeatEffectChunkOption(
      Effect.flatMap(Effect.mapError(next, Option.some), (all) =>
        all.length === 0 ? Effect.fail(Option.none()) : Effect.succeed(Chunk.unsafeFromArray(all))
      )
    )
    return first.length === 0 ? Stream.empty : Stream.concat(Stream.fromIterable(first), rest)
  })

const onlyMessage = (
  call: GrpcCall,
  sofar: ReadonlyArray<Uint8Array> = []
): Effect.Effect<Uint8Array, PageserverFailed> =>
  Effect.flatMap(call.messages, (messages) => {
    if (messages.length > 0) return onlyMessage(call, [...sofar, ...messages])
    const [message] = sofar
    return message === undefined || sofar.length > 1
      ? Effect.fail(malformed(`${sofar.length} messages instead of one`))
      : Effect.succeed(message)
  })

export const openGrpc = (
  spec: ParsedSpec,
  endpoint: PageserverEndpoint
): Effect.Effect<PageserverSession, PageserverFailed, Scope.Scope> =>
  Effect.gen(function* () {
    const channel = yield* openChannel(endpoint.url, limits.connect)
    const metadata = metadataOf(spec, endpoint)
    return {
      connectMicros: channel.connectMicros,
      isOpen: channel.isOpen,
      basebackup: (lsn) =>
        Effect.flatMap(
          channel.call(
            PageApi.path.getBaseBackup,
            metadata,
            PageApi.encodeGetBaseBackupRequest({
              lsn,
              replica: spec.spec.mode !== "Primary",
              full: false,
              compression: "gzip"
            }),
            limits.basebackupStall
          ),
          chunks
        ),
      leaseLsn: (lsn) =>
        channel.call(PageApi.path.leaseLsn, metadata, PageApi.encodeLeaseLsnRequest(lsn), limits.lease).pipe(
          Effect.flatMap((call) => onlyMessage(call)),
          Effect.flatMap((message) => Either.mapLeft(PageApi.decodeLeaseLsnResponse(message), malformed)),
          Effect.catchIf(
            (failure) => failure.code === REFUSED,
            () => Effect.succeed(null)
          )
        )
    }
  })

/**
 * A timeline's content as a pageserver sends it, framed once and kept: what is measured is the client.
 */
import { gunzipSync, gzip } from "node:zlib"
import * as Effect from "effect/Effect"
import * as PageApi from "../../domain/storage/PageApi.ts"
import * as Messages from "../wire/pgMessages.ts"

const copyDataSize = 8 * 1024
const chunkSize = 256 * 1024

const pieces = (bytes: Buffer, size: number): ReadonlyArray<Buffer> =>
  Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => bytes.subarray(at * size, (at + 1) * size))

export class Archive {
  #plain: Buffer | undefined
  readonly #framed = new Map<string, Buffer>()

  /** The tar, compressed. */
  readonly compressed: Buffer

  constructor(compressed: Buffer) {
    this.compressed = compressed
  }

  bytes(isCompressed: boolean): Buffer {
    if (isCompressed) return this.compressed
    this.#plain ??= gunzipSync(this.compressed)
    return this.#plain
  }

  /** The whole content as a run of CopyData messages. */
  copyData(isCompressed: boolean): Buffer {
    return this.#frame(`copy ${isCompressed}`, () => frameCopyData(this.bytes(isCompressed)))
  }

  /** The whole content as gRPC messages. */
  chunks(isCompressed: boolean): Buffer {
    return this.#frame(`chunk ${isCompressed}`, () => frameChunks(this.bytes(isCompressed)))
  }

  #frame(key: string, make: () => Buffer): Buffer {
    const known = this.#framed.get(key)
    if (known !== undefined) return known
    const made = make()
    this.#framed.set(key, made)
    return made
  }
}

export const frameCopyData = (bytes: Buffer): Buffer =>
  Buffer.concat(pieces(bytes, copyDataSize).map(Messages.copyData))

export const frameChunks = (bytes: Buffer): Buffer =>
  Buffer.concat(pieces(bytes, chunkSize).map((piece) => PageApi.frame(PageApi.encodeBaseBackupChunk(piece))))

/** Compresses as pageservers do: at the fastest level. */
export const compress = (tar: Buffer): Effect.Effect<Archive> =>
  Effect.callback((resume) => {
    gzip(tar, { level: 1 }, (fault, bytes) => {
      resume(fault === null ? Effect.succeed(new Archive(bytes)) : Effect.die(fault))
    })
  })

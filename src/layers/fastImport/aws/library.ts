/**
 * AWS by its own SDK: credentials, region and endpoint from the default chain. Nobody imports this but `load.ts`: the build
 * makes a file of its own of it.
 *
 * Source: `compute_tools/src/bin/fast_import.rs`, `compute_tools/src/bin/fast_import/aws_s3_sync.rs`.
 */
import { createReadStream } from "node:fs"
import { Readable } from "node:stream"
import { setTimeout } from "node:timers/promises"
import { DecryptCommand, KMSClient } from "@aws-sdk/client-kms"
import {
  GetObjectCommand,
  HeadObjectCommand,
  NotFound,
  PutObjectCommand,
  S3Client,
  S3ServiceException
} from "@aws-sdk/client-s3"
import { Upload } from "@aws-sdk/lib-storage"
import type { Aws, Content, ObjectPlace, RegularFile } from "./Aws.ts"
import { named, ofMachine } from "./region.ts"

/** In bytes: what one request may carry, and what a part of a larger object has at least. */
interface Sizes {
  readonly largestPut: number
  readonly smallestPart: number
}

const SIZES: Sizes = { largestPut: 5 * 1024 ** 3, smallestPart: 64 * 1024 ** 2 }
/** Of one object. */
const MOST_PARTS = 10_000

const MEDIA_TYPE = "application/octet-stream"

const ATTEMPTS = 5
/** Milliseconds. */
const FIRST_PAUSE = 200
const LONGEST_PAUSE = 5000

const nothing = () => undefined

const settings = {
  // It would write to the console that it does not repeat a stream, which is done here.
  logger: { trace: nothing, debug: nothing, info: nothing, warn: nothing, error: nothing },
  retryMode: "standard",
  maxAttempts: ATTEMPTS,
  // Requests are as small as those of the original: no checksums that storage does not ask for.
  requestChecksumCalculation: "WHEN_REQUIRED",
  responseChecksumValidation: "WHEN_REQUIRED",
  // Milliseconds. A peer that says nothing is asked again, not waited for.
  requestHandler: { connectionTimeout: 10_000, requestTimeout: 60_000, socketTimeout: 60_000 }
} as const

const target = ({ bucket, key }: ObjectPlace) => ({ Bucket: bucket, Key: key })

interface Sending {
  readonly s3: S3Client
  readonly place: ObjectPlace
  readonly sizes: Sizes
  readonly signal: AbortSignal
}

const sendParts = async ({ place, s3, signal, sizes }: Sending, { file, size }: RegularFile) => {
  const body = createReadStream(file)
  const upload = new Upload({
    client: s3,
    params: { ...target(place), Body: body, ContentType: MEDIA_TYPE },
    partSize: Math.max(sizes.smallestPart, Math.ceil(size / MOST_PARTS)),
    queueSize: 2
  })
  const abort = () => void upload.abort()
  signal.addEventListener("abort", abort, { once: true })
  try {
    await upload.done()
  } finally {
    signal.removeEventListener("abort", abort)
    body.destroy()
  }
}

const sendFile = async ({ place, s3, signal }: Sending, { file, size }: RegularFile) => {
  const body = createReadStream(file)
  const command = new PutObjectCommand({ ...target(place), Body: body, ContentType: MEDIA_TYPE, ContentLength: size })
  try {
    await s3.send(command, { abortSignal: signal })
  } finally {
    body.destroy()
  }
}

/** Storage that is busy or broken, or was not reached; what it refuses it refuses again. */
const isPassing = (error: unknown): boolean => {
  if (!(error instanceof Error) || ["ENOENT", "EACCES", "EISDIR"].includes(String(Reflect.get(error, "code"))))
    return false
  if (!(error instanceof S3ServiceException)) return error.name !== "CredentialsProviderError"
  const status = error.$metadata.httpStatusCode ?? 0
  return status >= 500 || status === 429
}

/** A stream can be sent once, so the library itself does not repeat a request that carries one. */
const repeated = async (request: () => Promise<void>, signal: AbortSignal): Promise<void> => {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await request()
    } catch (error) {
      if (attempt >= ATTEMPTS || signal.aborted || !isPassing(error)) throw error
      await setTimeout(
        Math.min(FIRST_PAUSE * 2 ** (attempt - 1), LONGEST_PAUSE) * (0.5 + Math.random() / 2),
        undefined,
        {
          signal
        }
      )
    }
  }
}

const send = async (sending: Sending, content: Content): Promise<void> => {
  const { place, s3, signal, sizes } = sending
  if ("file" in content) {
    const request = content.size > sizes.largestPut ? sendParts : sendFile
    return await repeated(() => request(sending, content), signal)
  }
  const { bytes, type } = content
  await s3.send(new PutObjectCommand({ ...target(place), Body: bytes, ContentType: type }), { abortSignal: signal })
}

/** No more is read than is wanted of an object that is too large. */
const limited = async (body: Readable, most: number): Promise<Uint8Array> => {
  const pieces: Array<Uint8Array> = []
  let size = 0
  for await (const piece of body) {
    size += piece.length
    if (size > most) throw new Error(`it has more than ${most} bytes`)
    pieces.push(piece)
  }
  return Buffer.concat(pieces)
}

const regionOf = async (env: Readonly<Record<string, string | undefined>>): Promise<string | undefined> => {
  const given = named(env)
  if (given !== undefined) return given
  const probe = new S3Client({})
  try {
    return await probe.config.region()
  } catch {
    return await ofMachine(env)
  } finally {
    probe.destroy()
  }
}

export const open = async (env: Readonly<Record<string, string | undefined>>, sizes: Sizes = SIZES): Promise<Aws> => {
  const region = await regionOf(env)
  const config = { ...settings, ...(region !== undefined && { region }) }
  const s3 = new S3Client(config)
  const kms = new KMSClient(config)
  return {
    get: async (place, most, signal) => {
      const { Body } = await s3.send(new GetObjectCommand(target(place)), { abortSignal: signal })
      return { body: () => (Body instanceof Readable ? limited(Body, most) : Promise.resolve(new Uint8Array())) }
    },
    put: (place, content, signal) => send({ s3, place, sizes, signal }, content),
    head: async (place, signal) => {
      try {
        const found = await s3.send(new HeadObjectCommand(target(place)), { abortSignal: signal })
        return { size: found.ContentLength ?? -1, etag: (found.ETag ?? "").replace(/^"|"$/g, "") }
      } catch (error) {
        if (error instanceof NotFound) return null
        throw error
      }
    },
    decrypt: async (keyId, ciphertext, signal) => {
      const { Plaintext } = await kms.send(new DecryptCommand({ KeyId: keyId, CiphertextBlob: ciphertext }), {
        abortSignal: signal
      })
      return Plaintext ?? null
    },
    close: () => {
      s3.destroy()
      kms.destroy()
    }
  }
}

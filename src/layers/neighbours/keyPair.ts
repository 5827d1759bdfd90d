/**
 * A TLS key pair in two PEM files. Any kind of key is fine as long as it is the certificate's.
 *
 * Source: `compute_tools/src/tls.rs`.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type { TlsConfig } from "../../domain/spec/ComputeSpec.ts"
import { limits, readBytes } from "../machine/RegularFile.ts"

export interface KeyPair {
  /** The file's bytes. */
  readonly key: Redacted.Redacted<Buffer>
  /** The whole chain as it stands in the file; the first certificate is the server's own. */
  readonly cert: Buffer
  /** SHA-256 of the certificate file, hex. */
  readonly digest: string
}

/** The pair cannot be read, or its halves do not belong together (as in the middle of a renewal). */
export class CertificatesUnusable extends Data.TaggedError("CertificatesUnusable")<{
  readonly message: string
  readonly path: string
}> {}

const read = (kind: "cert" | "key", file: string) =>
  Effect.mapError(
    readBytes(file, limits.credentials),
    ({ reason }) => new CertificatesUnusable({ path: file, message: `could not read ${kind} file ${file}: ${reason}` })
  )

/** The library's own texts say nothing about which file is meant, and nothing else is to be told about a key. */
const verify = (crypto: typeof import("node:crypto"), tls: TlsConfig, key: Buffer, cert: Buffer) => {
  const parsed = <A>(kind: "cert" | "key", file: string, parse: () => A) =>
    Effect.try({
      try: parse,
      catch: () => new CertificatesUnusable({ path: file, message: `the ${kind} file ${file} is not valid PEM` })
    })
  return Effect.gen(function* () {
    const certificate = yield* parsed("cert", tls.cert_path, () => new crypto.X509Certificate(cert))
    const privateKey = yield* parsed("key", tls.key_path, () => crypto.createPrivateKey(key))
    const matches = yield* parsed("key", tls.key_path, () => certificate.checkPrivateKey(privateKey))
    if (matches) return
    yield* new CertificatesUnusable({
      path: tls.key_path,
      message: `private key file does not match certificate: ${tls.key_path}, ${tls.cert_path}`
    })
  })
}

/** Reads and verifies both files. */
export const loadPair = (tls: TlsConfig): Effect.Effect<KeyPair, CertificatesUnusable> =>
  Effect.gen(function* () {
    const crypto = yield* Effect.promise(() => import("node:crypto"))
    const [cert, key] = yield* Effect.all([read("cert", tls.cert_path), read("key", tls.key_path)], {
      concurrency: "unbounded"
    })
    yield* verify(crypto, tls, key, cert)
    return { key: Redacted.make(key), cert, digest: crypto.createHash("sha256").update(cert).digest("hex") }
  })

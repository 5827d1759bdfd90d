/**
 * What the job asks of AWS. The library behind it lies apart from the program, so nothing of its own appears here.
 */

export interface ObjectPlace {
  readonly bucket: string
  readonly key: string
}

export interface RegularFile {
  readonly file: string
  /** Bytes. */
  readonly size: number
}

export type Content = RegularFile | { readonly bytes: Uint8Array; readonly type: string }

export interface StoredObject {
  readonly size: number
  /** Without quotes. The MD5 of the content in hexadecimal, unless it came in parts or the bucket encrypts with keys of its own. */
  readonly etag: string
}

/** Each call is repeated by the library where that may help, and is given up by its signal. */
export interface Aws {
  /** Answers when the head of the object has come. The body fails when it has more bytes than `most`. */
  readonly get: (
    place: ObjectPlace,
    most: number,
    signal: AbortSignal
  ) => Promise<{ readonly body: () => Promise<Uint8Array> }>
  readonly put: (place: ObjectPlace, content: Content, signal: AbortSignal) => Promise<void>
  /** Null when there is none. */
  readonly head: (place: ObjectPlace, signal: AbortSignal) => Promise<StoredObject | null>
  /** Null when the answer has no plain text. */
  readonly decrypt: (keyId: string, ciphertext: Uint8Array, signal: AbortSignal) => Promise<Uint8Array | null>
  readonly close: () => void
}

export interface Library {
  /** `env`: where endpoint, region and credentials are looked for first. */
  readonly open: (env: Readonly<Record<string, string | undefined>>) => Promise<Aws>
}

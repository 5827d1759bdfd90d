/**
 * Reads a tar archive as it arrives. Zero blocks do not end it: what follows them is read too.
 */
import { BLOCK, isEndMarker, parseAttributes, parseHeader, type TarHeader } from "./TarHeader.ts"

export interface TarEntry {
  readonly name: string
  readonly type: "file" | "directory"
  /** Permission bits alone. */
  readonly mode: number
  readonly size: number
  /** Epoch seconds. */
  readonly mtime: number
}

/** Who gets the entries: `data` comes in pieces between `entry` and `end`. */
export interface TarSink {
  readonly entry: (entry: TarEntry) => void
  readonly data: (bytes: Buffer) => void
  readonly end: () => void
  /** Takes a symbolic link, or says why not; without it no archive with one may be unpacked. */
  readonly link?: (name: string, target: string) => string | null
}

/** Bytes of a long name or of attributes: paths have at most 4 KiB. */
const LONGEST_META = 64 * 1024

const KINDS: ReadonlyMap<string, string> = new Map([
  ["1", "a hard link"],
  ["2", "a symbolic link"],
  ["3", "a device"],
  ["4", "a device"],
  ["6", "a pipe"]
])

export class TarReader {
  readonly #sink: TarSink
  readonly #block = Buffer.alloc(BLOCK)
  /** Bytes of `#block` that have arrived. */
  #filled = 0
  /** Bytes of the current body, and of its padding, that are still to come. */
  #body = 0
  #padding = 0
  /** What the body is for: a file's goes to the sink, one that describes the next entry is collected. */
  #current: TarHeader | null = null
  #meta: Array<Buffer> = []
  #path: string | null = null
  #size: number | null = null
  #link: string | null = null

  constructor(sink: TarSink) {
    this.#sink = sink
  }

  /** Null, or why this is not an archive that may be unpacked; nothing more may be pushed then. */
  push(bytes: Buffer): string | null {
    let at = 0
    while (at < bytes.length) {
      if (this.#body > 0) {
        const taken = Math.min(this.#body, bytes.length - at)
        const piece = bytes.subarray(at, at + taken)
        if (this.#current?.type === "0") this.#sink.data(piece)
        else this.#meta.push(Buffer.from(piece))
        at += taken
        this.#body -= taken
        if (this.#body === 0) {
          const fault = this.#endBody()
          if (fault !== null) return fault
        }
      } else if (this.#padding > 0) {
        const taken = Math.min(this.#padding, bytes.length - at)
        at += taken
        this.#padding -= taken
      } else {
        const taken = bytes.copy(this.#block, this.#filled, at, at + BLOCK - this.#filled)
        at += taken
        this.#filled += taken
        if (this.#filled === BLOCK) {
          this.#filled = 0
          const fault = this.#header()
          if (fault !== null) return fault
        }
      }
    }
    return null
  }

  /** Null, or what is missing when the stream ends here. */
  finish(): string | null {
    if (this.#body > 0) return `the archive is cut off inside ${this.#current?.name}`
    if (this.#filled > 0 || this.#padding > 0 || this.#path !== null)
      return "the archive is cut off between two entries"
    return null
  }

  #header(): string | null {
    if (isEndMarker(this.#block)) return null
    const header = parseHeader(this.#block)
    if (header === undefined) return "the archive is damaged: a block that should be a header is none"
    const describes = header.type === "L" || header.type === "x" || header.type === "g"
    if (describes && header.size > LONGEST_META) return `the archive describes an entry with ${header.size} bytes`
    const current = describes
      ? header
      : { ...header, name: this.#path ?? header.name, size: this.#size ?? header.size, link: this.#link ?? header.link }
    if (!describes) {
      this.#path = null
      this.#size = null
      this.#link = null
      const fault = this.#begin(current)
      if (fault !== null) return fault
    }
    this.#current = current
    this.#meta = []
    this.#body = current.type === "5" ? 0 : current.size
    this.#padding = this.#body === 0 ? 0 : (BLOCK - (this.#body % BLOCK)) % BLOCK
    return this.#body === 0 ? this.#endBody() : null
  }

  #begin({ name, type, mode, size, mtime, link }: TarHeader): string | null {
    if (type === "2" && this.#sink.link !== undefined) return this.#sink.link(name, link)
    if (type !== "0" && type !== "5") {
      return `the archive has ${KINDS.get(type) ?? `an entry of unknown type ${JSON.stringify(type)}`}: ${name}`
    }
    this.#sink.entry({ name, type: type === "5" ? "directory" : "file", mode: mode & 0o777, size, mtime })
    return null
  }

  #endBody(): string | null {
    const type = this.#current?.type
    if (type === "0") this.#sink.end()
    if (type !== "L" && type !== "x") return null
    const body = Buffer.concat(this.#meta)
    if (type === "L") {
      const end = body.indexOf(0)
      this.#path = body.toString("utf8", 0, end < 0 ? body.length : end)
      return null
    }
    const attributes = parseAttributes(body)
    if (attributes === undefined) return "the archive is damaged: attributes of an entry cannot be read"
    this.#path = attributes.get("path") ?? this.#path
    this.#link = attributes.get("linkpath") ?? this.#link
    const size = attributes.get("size")
    if (size !== undefined) this.#size = Number(size)
    return this.#size === null || Number.isSafeInteger(this.#size)
      ? null
      : "the archive is damaged: an entry has no size"
  }
}

/**
 * Reads a tar archive as it arrives. Zero blocks do not end it: what follows them is read too.
 *
 * Whoever sends an archive may be hostile: nothing that its headers promise is believed before it is below a limit, and
 * what is counted is what has been read.
 */
import { excerpt } from "../../domain/json/Excerpt.ts"
import { BLOCK, isEndMarker, parseAttributes, parseHeader, parseSize, type TarHeader } from "./TarHeader.ts"

export interface TarEntry {
  readonly name: string
  readonly type: "file" | "directory"
  /** Permission bits alone. */
  readonly mode: number
  readonly size: number
  /** Epoch seconds. */
  readonly mtime: number
}

export interface TarLink {
  readonly name: string
  /** A hard link's target is the name of an earlier entry; a symbolic one's is looked up from the link's own folder. */
  readonly type: "hard" | "symbolic"
  readonly target: string
}

/** Who gets the entries: `data` comes in pieces between `entry` and `end`. */
export interface TarSink {
  readonly entry: (entry: TarEntry) => void
  readonly data: (bytes: Buffer) => void
  readonly end: () => void
  /** Null, or why the archive may not have it. */
  readonly link: (link: TarLink) => string | null
}

export interface TarLimits {
  /** Bytes of the whole archive, headers included. */
  readonly unpacked: number
  /** Headers, those included that only describe others. */
  readonly entries: number
}

/** Bytes of attributes. */
const LONGEST_META = 64 * 1024
/** Bytes of a path that the kernel takes. */
const LONGEST_NAME = 4096
/** Folders of a path. A name of two thousand costs as many calls, each of which walks them all. */
const DEEPEST = 100

const KINDS: ReadonlyMap<string, string> = new Map([
  ["3", "a device"],
  ["4", "a device"],
  ["6", "a pipe"],
  ["S", "a sparse file"]
])

/** Zero blocks in a row: some writers fill a record of several KiB, none one of 64 MiB. */
const MOST_ZEROS = 131_072

/** What stands for bytes that are not UTF-8. */
const REPLACED = "\ufffd"

/** As much of a name as an error shows. */
const shown = (name: string): string => excerpt(name, 200)

const nameFault = (name: string): string | null => {
  if (name.length > LONGEST_NAME) return `the archive has a name of ${name.length} characters`
  if (name.split("/").length > DEEPEST) return `the archive has a name of more than ${DEEPEST} folders: ${shown(name)}`
  if (name.includes("\0")) return `the archive has a name with a NUL in it: ${JSON.stringify(shown(name))}`
  return name.includes(REPLACED) ? `the archive has a name that is not UTF-8: ${shown(name)}` : null
}

/** What blocks before an entry say of it. */
interface Description {
  path: string | null
  link: string | null
  size: number | null
}

/** `L`: a long name, `K`: a long link name, `x`: attributes; each of the next entry. `g`: attributes of all that follow. */
const describes = (type: string): boolean => type === "L" || type === "K" || type === "x" || type === "g"

export class TarReader {
  readonly #sink: TarSink
  readonly #limits: TarLimits
  readonly #block = Buffer.alloc(BLOCK)
  /** Bytes of `#block` that have arrived. */
  #filled = 0
  /** Bytes of the current body, and of its padding, that are still to come. */
  #body = 0
  #padding = 0
  /** What the body is for: a file's goes to the sink, one that describes the next entry is collected. */
  #current: TarHeader | null = null
  #meta: Array<Buffer> = []
  #next: Description | null = null
  #bytes = 0
  #entries = 0
  /** Zero blocks in a row. */
  #zeros = 0

  constructor(sink: TarSink, limits: TarLimits) {
    this.#sink = sink
    this.#limits = limits
  }

  /** Null, or why this is not an archive that may be unpacked; nothing more may be pushed then. */
  push(bytes: Buffer): string | null {
    this.#bytes += bytes.length
    if (this.#bytes > this.#limits.unpacked) return this.#tooLarge()
    let at = 0
    while (at < bytes.length) {
      if (this.#body > 0) {
        const taken = Math.min(this.#body, bytes.length - at)
        const piece = bytes.subarray(at, at + taken)
        if (this.#current?.type === "0") this.#sink.data(piece)
        else this.#meta.push(Buffer.from(piece))
        at += taken
        this.#body -= taken
        const fault = this.#body === 0 ? this.#endBody() : null
        if (fault !== null) return fault
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
    if (this.#body > 0) return `the archive is cut off inside ${shown(this.#current?.name ?? "")}`
    if (this.#filled > 0 || this.#padding > 0 || this.#next !== null)
      return "the archive is cut off between two entries"
    return null
  }

  #tooLarge(): string {
    return `the archive unpacks to more than ${this.#limits.unpacked} bytes`
  }

  #header(): string | null {
    if (isEndMarker(this.#block)) {
      if (this.#next !== null) return "the archive describes an entry that it does not have"
      this.#zeros += 1
      return this.#zeros > MOST_ZEROS ? "the archive has zeros without an end" : null
    }
    this.#zeros = 0
    const header = parseHeader(this.#block)
    if (header === undefined) return "the archive is damaged: a block that should be a header is none"
    this.#entries += 1
    if (this.#entries > this.#limits.entries) return `the archive has more than ${this.#limits.entries} entries`
    const fault = describes(header.type) ? this.#describe(header) : this.#begin(header)
    if (fault !== null) return fault
    this.#padding = (BLOCK - (this.#body % BLOCK)) % BLOCK
    return this.#body === 0 ? this.#endBody() : null
  }

  #describe(header: TarHeader): string | null {
    if (header.size > LONGEST_META) return `the archive describes an entry with ${header.size} bytes`
    this.#current = header
    this.#meta = []
    this.#body = header.size
    return null
  }

  #begin(header: TarHeader): string | null {
    const name = this.#next?.path ?? header.name
    const size = this.#next?.size ?? header.size
    const target = this.#next?.link ?? header.link
    this.#next = null
    const isLink = header.type === "1" || header.type === "2"
    const bad = nameFault(name) ?? (isLink ? nameFault(target) : null)
    if (bad !== null) return bad
    // Before there were types, a directory was a name with a slash at its end.
    const type = header.type === "0" && name.endsWith("/") ? "5" : header.type
    this.#current = { ...header, name, type, size }
    this.#body = 0
    if (isLink) {
      // Its body would be read by nobody: the headers in it would count for some readers and not for others.
      if (size > 0) return `the archive has a link with a body of ${size} bytes: ${shown(name)}`
      return this.#sink.link({ name, type: type === "1" ? "hard" : "symbolic", target })
    }
    if (type !== "0" && type !== "5") {
      return `the archive has ${KINDS.get(type) ?? `an entry of unknown type ${JSON.stringify(type)}`}: ${shown(name)}`
    }
    if (type === "0") {
      if (size > this.#limits.unpacked) return this.#tooLarge()
      this.#body = size
    }
    this.#sink.entry({
      name,
      type: type === "5" ? "directory" : "file",
      mode: header.mode & 0o777,
      size: this.#body,
      mtime: header.mtime
    })
    return null
  }

  #endBody(): string | null {
    const type = this.#current?.type ?? ""
    if (type === "0") this.#sink.end()
    if (!describes(type)) return null
    const body = Buffer.concat(this.#meta)
    this.#meta = []
    if (type === "L" || type === "K") {
      const end = body.indexOf(0)
      const text = body.toString("utf8", 0, end < 0 ? body.length : end)
      this.#note(type === "L" ? { path: text } : { link: text })
      return null
    }
    return this.#endAttributes(body, type === "g")
  }

  #endAttributes(body: Buffer, global: boolean): string | null {
    const attributes = parseAttributes(body)
    if (attributes === undefined) return "the archive is damaged: attributes of an entry cannot be read"
    for (const key of attributes.keys()) {
      if (key.startsWith("GNU.sparse.")) return "the archive has a sparse file"
      // A name or a size for all entries is no sane writer's, and readers differ in what they make of it.
      if (global && (key === "path" || key === "linkpath" || key === "size"))
        return `the archive sets ${key} for all entries`
    }
    if (global) return null
    const given = attributes.get("size") ?? ""
    const size = given === "" ? null : parseSize(given)
    if (size === undefined) return "the archive is damaged: an entry has no size"
    this.#note({ path: attributes.get("path") ?? "", link: attributes.get("linkpath") ?? "", size })
    return null
  }

  /** An empty text takes nothing back, but it is a description that an entry has to follow. */
  #note({ link, path, size }: { readonly path?: string; readonly link?: string; readonly size?: number | null }) {
    const known = this.#next ?? { path: null, link: null, size: null }
    this.#next = { path: path || known.path, link: link || known.link, size: size ?? known.size }
  }
}

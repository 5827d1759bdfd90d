/**
 * Entries of an archive as files below one directory, and never outside of it. Calls of `node:fs` are synchronous: an
 * entry is small, and a promise costs more than the write.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import type { TarEntry, TarSink } from "./TarReader.ts"

/** A zero run of this many bytes is left out of a file: its blocks are not allocated. */
const HOLE = 32 * 1024
/** Bytes that are compared with zeros at once: as many as zlib puts out at a time. */
const COMPARED = 256 * 1024

/** Path below the target; null for one that would lead out of it, empty for the target itself. */
export const safePath = (name: string): string | null => {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".")
  return parts.includes("..") || name.includes("\0") ? null : parts.join("/")
}

export interface Owner {
  readonly uid: number
  readonly gid: number
}

interface OpenFile {
  readonly fd: number
  readonly entry: TarEntry
  position: number
  holes: boolean
}

export class Extraction implements TarSink {
  readonly #target: string
  readonly #owner: Owner | null
  readonly #kept: ReadonlySet<string>
  readonly #directories = new Map<string, TarEntry | null>()
  readonly #seen = new Set<string>()
  readonly #zeros = Buffer.alloc(COMPARED)
  #file: OpenFile | null = null
  #name = ""

  /** `kept`: names in the target that an entry must not replace. */
  constructor(target: string, owner: Owner | null, kept: ReadonlySet<string>) {
    this.#target = target
    this.#owner = owner
    this.#kept = kept
  }

  /** Name of the last entry begun. */
  get name(): string {
    return this.#name
  }

  has(name: string): boolean {
    return this.#seen.has(name)
  }

  entry(entry: TarEntry) {
    this.#name = entry.name
    const name = safePath(entry.name)
    if (name === null || name === "" || this.#kept.has(name)) return
    this.#seen.add(name)
    if (entry.type === "directory") {
      this.#makeDirectory(name, entry)
      return
    }
    const parent = path.posix.dirname(name)
    if (parent !== ".") this.#makeDirectory(parent, null)
    const flags = fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_TRUNC | fs.constants.O_NOFOLLOW
    const fd = fs.openSync(`${this.#target}/${name}`, flags, 0o600)
    this.#file = { fd, entry, position: 0, holes: false }
  }

  data(bytes: Buffer) {
    const file = this.#file
    if (file === null) return
    if (bytes.length >= HOLE && this.#isZero(bytes)) {
      file.holes = true
    } else {
      this.#write(file, bytes)
    }
    file.position += bytes.length
  }

  end() {
    const file = this.#file
    if (file === null) return
    const { fd, entry, holes } = file
    if (holes) fs.ftruncateSync(fd, entry.size)
    if (entry.mode !== 0o600) fs.fchmodSync(fd, entry.mode)
    if (this.#owner !== null) fs.fchownSync(fd, this.#owner.uid, this.#owner.gid)
    fs.futimesSync(fd, entry.mtime, entry.mtime)
    this.close()
  }

  /** Gives the directories their modes and times, the inner ones first: a time would not outlive an entry made below. */
  finish() {
    for (const [name, entry] of [...this.#directories].sort(([left], [right]) => (left < right ? 1 : -1))) {
      if (entry === null) continue
      const directory = `${this.#target}/${name}`
      fs.chmodSync(directory, entry.mode)
      fs.utimesSync(directory, entry.mtime, entry.mtime)
    }
  }

  /** Lets go of a file that was begun. */
  close() {
    const file = this.#file
    this.#file = null
    if (file !== null) fs.closeSync(file.fd)
  }

  #isZero(bytes: Buffer): boolean {
    return bytes.length <= COMPARED && bytes.equals(this.#zeros.subarray(0, bytes.length))
  }

  #write(file: OpenFile, bytes: Buffer) {
    let from = 0
    for (let at = 0; at < bytes.length; at += HOLE) {
      const next = Math.min(at + HOLE, bytes.length)
      if (next - at < HOLE || !this.#isZero(bytes.subarray(at, next))) continue
      file.holes = true
      this.#writeRun(file, bytes, from, at)
      from = next
    }
    this.#writeRun(file, bytes, from, bytes.length)
  }

  #writeRun(file: OpenFile, bytes: Buffer, from: number, to: number) {
    for (let at = from; at < to; ) at += fs.writeSync(file.fd, bytes, at, to - at, file.position + at)
  }

  #makeDirectory(name: string, entry: TarEntry | null) {
    const known = this.#directories.get(name)
    if (known !== undefined) {
      if (entry !== null) this.#directories.set(name, entry)
      return
    }
    const parent = path.posix.dirname(name)
    if (parent !== ".") this.#makeDirectory(parent, null)
    const directory = `${this.#target}/${name}`
    try {
      fs.mkdirSync(directory, 0o700)
    } catch (error) {
      // Something that is there must be a directory itself: a link could lead anywhere.
      if (!fs.lstatSync(directory).isDirectory()) throw error
    }
    if (this.#owner !== null) fs.chownSync(directory, this.#owner.uid, this.#owner.gid)
    this.#directories.set(name, entry)
  }
}

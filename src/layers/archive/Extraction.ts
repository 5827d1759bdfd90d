/**
 * Entries of an archive as files below one directory, and never outside of it. Calls of `node:fs` are synchronous: an
 * entry is small, and a promise costs more than the write.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { excerpt } from "../../domain/json/Excerpt.ts"
import { codeOf } from "../../domain/observe/ErrorChain.ts"
import { BadArchive } from "./BadArchive.ts"
import { resolveLink, safePath } from "./links.ts"
import type { TarEntry, TarLink, TarSink } from "./TarReader.ts"

/** A zero run of this many bytes is left out of a file: its blocks are not allocated. */
const HOLE = 32 * 1024
/** Bytes that are compared with zeros at once: as many as zlib puts out at a time. */
const COMPARED = 256 * 1024

export interface Owner {
  readonly uid: number
  readonly gid: number
}

/**
 * What is remembered until the end, in characters of names: folders get their modes and links are made then. A name costs
 * more than its length.
 */
const REMEMBERED = 32 * 1024 * 1024
const NAME_COST = 128

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
  /** Targets of symbolic links by name. */
  readonly #links = new Map<string, string>()
  #remembered = 0
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

  entry(entry: TarEntry) {
    this.#name = entry.name
    const name = safePath(entry.name)
    if (name === null || name === "" || this.#kept.has(name)) return
    this.#links.delete(name)
    this.#refuseBehindLink(name)
    if (entry.type === "directory") {
      this.#makeDirectory(name, entry)
      return
    }
    const parent = path.posix.dirname(name)
    if (parent !== ".") this.#makeDirectory(parent, null)
    this.close()
    this.#file = { fd: this.#create(`${this.#target}/${name}`), entry, position: 0, holes: false }
  }

  link(link: TarLink): string | null {
    this.#name = link.name
    const name = safePath(link.name)
    if (name === null || name === "" || this.#kept.has(name)) return null
    this.#refuseBehindLink(name)
    if (this.#directories.has(name)) return `the archive has a link in place of a folder: ${excerpt(link.name, 200)}`
    return link.type === "hard" ? this.#linkHard(name, link) : this.#linkSymbolic(name, link)
  }

  /** Symbolic links are made last, so that no entry is ever written through one. */
  #linkSymbolic(name: string, link: TarLink): string | null {
    if (resolveLink(name, link.target) === null) {
      return `the archive has a link out of its directory: ${excerpt(link.name, 200)}`
    }
    this.#remember(name.length + link.target.length)
    this.#links.set(name, link.target)
    return null
  }

  /** Made at once: what it names may get another content by a later entry of the same name. */
  #linkHard(name: string, link: TarLink): string | null {
    const target = safePath(link.target)
    if (target === name) return null
    if (target === null || target === "" || this.#kept.has(target)) {
      return `the archive has a link out of its directory: ${excerpt(link.name, 200)}`
    }
    const symbolic = this.#links.get(target)
    if (symbolic !== undefined) return this.#linkSymbolic(name, { ...link, target: symbolic })
    this.#refuseBehindLink(target)
    if (fs.lstatSync(`${this.#target}/${target}`, { throwIfNoEntry: false })?.isFile() !== true) {
      return `the archive has a hard link to a file that it does not have: ${excerpt(link.name, 200)}`
    }
    this.#links.delete(name)
    this.#makeLink(name, (file) => fs.linkSync(`${this.#target}/${target}`, file))
    return null
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

  /** Makes the links, then gives the directories their modes and times, the inner ones first: a time would not outlive an entry made below. */
  finish() {
    this.#makeLinks()
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

  /** A file of the same name, of this archive or not, goes: writing into it would write to all of its names. */
  #create(file: string): number {
    const flags = fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL | fs.constants.O_NOFOLLOW
    try {
      return fs.openSync(file, flags, 0o600)
    } catch (error) {
      if (codeOf(error) !== "EEXIST") throw error
      fs.unlinkSync(file)
      return fs.openSync(file, flags, 0o600)
    }
  }

  #makeLinks() {
    for (const [name, target] of this.#links) {
      this.#name = name
      this.#makeLink(name, (file) => {
        fs.symlinkSync(target, file)
        if (this.#owner !== null) fs.lchownSync(file, this.#owner.uid, this.#owner.gid)
      })
    }
  }

  #makeLink(name: string, make: (file: string) => void) {
    const parent = path.posix.dirname(name)
    if (parent !== ".") this.#makeDirectory(parent, null)
    const file = `${this.#target}/${name}`
    fs.rmSync(file, { force: true })
    make(file)
  }

  #remember(characters: number) {
    this.#remembered += characters + NAME_COST
    if (this.#remembered > REMEMBERED) throw new BadArchive("the archive has too many folders and links")
  }

  /** Some readers would follow the link, others replace it. */
  #refuseBehindLink(name: string) {
    if (this.#links.size === 0) return
    for (let at = name.indexOf("/"); at >= 0; at = name.indexOf("/", at + 1)) {
      if (this.#links.has(name.slice(0, at))) {
        throw new BadArchive(`the archive has an entry behind a link: ${excerpt(name, 200)}`)
      }
    }
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
    this.#remember(name.length)
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

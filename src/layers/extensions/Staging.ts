/**
 * An extension's archive on its way: unpacked into a directory of its own, then moved file by file to where Postgres
 * looks. Only `share/extension` and `lib` count. An archive that reaches for anything else's place is refused whole.
 */
import { constants, copyFile, lstat, mkdir, readdir, rename, rm, symlink } from "node:fs/promises"
import { basename, dirname, join, posix } from "node:path"
import { Extraction, safePath } from "../basebackup/Extraction.ts"
import type { TarEntry, TarSink } from "../basebackup/TarReader.ts"
import type { ArchiveLimits } from "./DownloadPolicy.ts"

/** The archive itself is at fault: another try brings the same bytes. */
export class BadArchive extends Error {}

const ROOTS = ["share/extension", "lib"] as const
const isBelow = (path: string): boolean => ROOTS.some((root) => path.startsWith(`${root}/`))

export class Staging implements TarSink {
  readonly #directory: string
  readonly #limits: ArchiveLimits
  readonly #extraction: Extraction
  readonly #links = new Map<string, string>()
  #entries = 0
  #bytes = 0
  #taken = false

  constructor(directory: string, limits: ArchiveLimits) {
    this.#directory = directory
    this.#limits = limits
    this.#extraction = new Extraction(directory, null, new Set())
  }

  entry(entry: TarEntry) {
    const path = this.#place(entry.name)
    this.#bytes += entry.size
    if (this.#bytes > this.#limits.unpacked) {
      throw new BadArchive(`the archive unpacks to more than ${this.#limits.unpacked} bytes`)
    }
    this.#taken = isBelow(path)
    if (!this.#taken) return
    const mode = (entry.mode | (entry.type === "directory" ? 0o700 : 0o600)) & 0o755
    this.#extraction.entry({ ...entry, mode })
  }

  data(bytes: Buffer) {
    if (this.#taken) this.#extraction.data(bytes)
  }

  end() {
    if (this.#taken) this.#extraction.end()
  }

  /** A link to a file beside it is how a library gets its short name; one to anywhere else could lead out. */
  link(name: string, target: string): string | null {
    const path = this.#place(name)
    if (!isBelow(path)) return null
    if (target === "" || target === "." || target === ".." || target.includes("/") || target.includes("\0")) {
      return `the archive has a link out of its directory: ${name}`
    }
    this.#links.set(path, target)
    return null
  }

  /** Links come last, so that no file was ever written through one. */
  async finish() {
    this.#extraction.finish()
    for (const [path, target] of this.#links) {
      await mkdir(join(this.#directory, posix.dirname(path)), { recursive: true })
      await symlink(target, join(this.#directory, path))
    }
  }

  close() {
    this.#extraction.close()
  }

  #place(name: string): string {
    this.#entries += 1
    if (this.#entries > this.#limits.entries) {
      throw new BadArchive(`the archive has more than ${this.#limits.entries} entries`)
    }
    const path = name.startsWith("/") ? null : safePath(name)
    if (path === null) throw new BadArchive(`the archive has an entry outside of its directory: ${name}`)
    return path
  }
}

const isCode = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code

let serial = 0

/** Moves one file in one step; from another file system by a copy beside the target. */
const moveFile = async (from: string, to: string) => {
  try {
    await rename(from, to)
  } catch (error) {
    if (!isCode(error, "EXDEV")) throw error
    serial += 1
    const beside = join(dirname(to), `.${basename(to)}.${process.pid}.${serial}`)
    try {
      await copyFile(from, beside, constants.COPYFILE_EXCL)
      await rename(beside, to)
    } finally {
      await rm(beside, { force: true })
    }
  }
}

const makeDirectory = async (path: string) => {
  try {
    await mkdir(path, { mode: 0o755 })
  } catch (error) {
    if (!isCode(error, "EEXIST") || !(await lstat(path)).isDirectory()) throw error
  }
}

/** Everything in `from`, directories merged with those that are there. A file's own move is atomic. */
const moveTree = async (from: string, to: string) => {
  const entries = await readdir(from, { withFileTypes: true }).catch((error: unknown) => {
    if (isCode(error, "ENOENT")) return []
    throw error
  })
  // Postgres offers an extension as soon as its control file is there.
  const last = (name: string) => (name.endsWith(".control") ? 1 : 0)
  for (const entry of entries.sort((left, right) => last(left.name) - last(right.name))) {
    const target = join(to, entry.name)
    if (entry.isDirectory()) {
      await makeDirectory(target)
      await moveTree(join(from, entry.name), target)
    } else {
      await moveFile(join(from, entry.name), target)
    }
  }
}

/** Into `<sharedir>/extension` and `<pkglibdir>`; an extension of SQL alone has no libraries. */
export const install = async (staged: string, sharedir: string, pkglibdir: string) => {
  await moveTree(join(staged, "lib"), pkglibdir)
  await moveTree(join(staged, "share", "extension"), join(sharedir, "extension"))
}

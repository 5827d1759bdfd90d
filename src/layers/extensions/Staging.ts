/**
 * An extension's archive on its way: unpacked into a directory of its own, then moved file by file to where Postgres
 * looks. Only `share/extension` and `lib` count. An archive that reaches for anything else's place is refused whole.
 */
import { constants, copyFile, lstat, mkdir, readdir, readlink, rename, rm, symlink } from "node:fs/promises"
import { basename, dirname, join } from "node:path"
import { excerpt } from "../../domain/json/Excerpt.ts"
import { codeOf } from "../../domain/observe/ErrorChain.ts"
import { BadArchive } from "../archive/BadArchive.ts"
import { Extraction } from "../archive/Extraction.ts"
import { resolveLink, safePath } from "../archive/links.ts"
import type { TarEntry, TarLink, TarSink } from "../archive/TarReader.ts"

const ROOTS = ["share/extension", "lib"] as const
const rootOf = (path: string): (typeof ROOTS)[number] | undefined =>
  ROOTS.find((root) => path === root || path.startsWith(`${root}/`))
const isBelow = (path: string): boolean => ROOTS.some((root) => path.startsWith(`${root}/`))

const place = (name: string): string => {
  const path = name.startsWith("/") ? null : safePath(name)
  if (path === null) throw new BadArchive(`the archive has an entry outside of its directory: ${excerpt(name, 200)}`)
  return path
}

export class Staging implements TarSink {
  readonly #extraction: Extraction
  #taken = false

  constructor(directory: string) {
    this.#extraction = new Extraction(directory, null, new Set())
  }

  entry(entry: TarEntry) {
    this.#taken = isBelow(place(entry.name))
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

  /** One to what is not installed would lead to something else afterwards. */
  link(link: TarLink): string | null {
    const path = place(link.name)
    if (!isBelow(path)) return null
    if (link.type === "symbolic") {
      const target = resolveLink(path, link.target)
      if (target !== null && rootOf(target) === undefined) {
        return `the archive has a link out of its directory: ${excerpt(link.name, 200)}`
      }
    }
    return this.#extraction.link(link)
  }

  finish() {
    this.#extraction.finish()
  }

  close() {
    this.#extraction.close()
  }
}

let serial = 0

/** Puts a file in place in one step, by way of a name beside it. */
const replace = async (to: string, make: (beside: string) => Promise<void>) => {
  serial += 1
  const beside = join(dirname(to), `.${basename(to)}.${process.pid}.${serial}`)
  try {
    await make(beside)
    await rename(beside, to)
  } finally {
    await rm(beside, { force: true })
  }
}

/** Moves one file in one step; from another file system by a copy beside the target. */
const moveFile = async (from: string, to: string) => {
  try {
    await rename(from, to)
  } catch (error) {
    if (codeOf(error) !== "EXDEV") throw error
    await replace(to, (beside) => copyFile(from, beside, constants.COPYFILE_EXCL))
  }
}

const makeDirectory = async (path: string) => {
  try {
    await mkdir(path, { mode: 0o755 })
  } catch (error) {
    if (codeOf(error) !== "EEXIST" || !(await lstat(path)).isDirectory()) throw error
  }
}

/** Where the roots of an archive are installed. */
type Places = Readonly<Record<(typeof ROOTS)[number], string>>

/** A link between the two roots leads from one place to the other. */
const moveLink = async (from: string, path: string, to: string, places: Places) => {
  const text = await readlink(from)
  const target = resolveLink(path, text)
  const root = target === null ? undefined : rootOf(target)
  const same = root !== undefined && root === rootOf(path)
  const installed = target === null || root === undefined || same ? text : join(places[root], target.slice(root.length))
  await replace(to, (beside) => symlink(installed, beside))
}

/** Everything in the folder `path` of `staged`, directories merged with those that are there. A file's own move is atomic. */
const moveTree = async (staged: string, path: string, to: string, places: Places) => {
  const from = join(staged, path)
  const entries = await readdir(from, { withFileTypes: true }).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return []
    throw error
  })
  // Postgres offers an extension as soon as its control file is there.
  const last = (name: string) => (name.endsWith(".control") ? 1 : 0)
  for (const entry of entries.sort((left, right) => last(left.name) - last(right.name))) {
    const target = join(to, entry.name)
    const inside = `${path}/${entry.name}`
    if (entry.isDirectory()) {
      await makeDirectory(target)
      await moveTree(staged, inside, target, places)
    } else if (entry.isSymbolicLink()) {
      await moveLink(join(from, entry.name), inside, target, places)
    } else {
      await moveFile(join(from, entry.name), target)
    }
  }
}

/** Into `<sharedir>/extension` and `<pkglibdir>`; an extension of SQL alone has no libraries. */
export const install = async (staged: string, sharedir: string, pkglibdir: string) => {
  const places: Places = { lib: pkglibdir, "share/extension": join(sharedir, "extension") }
  await moveTree(staged, "lib", places.lib, places)
  await moveTree(staged, "share/extension", places["share/extension"], places)
}

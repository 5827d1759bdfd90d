/**
 * A Postgres distribution for computes on the emulator, made of an existing one without touching it: the real programs
 * relocated under `real/`, with the stand-in for the neon extension among its extensions, and a `bin/` whose `postgres`
 * knows `--sync-safekeepers`. Everything is links, but for the programs that find their files relative to themselves.
 */
import { execFile } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { whyNotServed } from "../../domain/postgres/Majors.ts"
import * as neonExtension from "./neonExtension.ts"
import * as scripts from "./scripts.ts"

export class DistributionFailed extends Data.TaggedError("DistributionFailed")<{ readonly message: string }> {}

export interface Account {
  readonly uid: number
  readonly gid: number
}

export interface Distribution {
  /** What `--pgbin` gets. */
  readonly pgbin: string
  /** The real server, for `initdb` and the like. */
  readonly realBin: string
  /** `15.18`. */
  readonly version: string
}

interface Layout {
  readonly bin: string
  readonly share: string
  readonly libraries: string
}

/** These compute the places of their files from their own. */
const relocated = new Set(["postgres", "initdb", "pg_ctl", "pg_config"])

export const attempt = <A>(what: string, make: () => A): Effect.Effect<A, DistributionFailed> =>
  Effect.try({ try: make, catch: (cause) => new DistributionFailed({ message: `${what}: ${String(cause)}` }) })

/** A short program's standard output. */
export const output = (program: string, args: ReadonlyArray<string>): Effect.Effect<string, DistributionFailed> =>
  Effect.callback((resume) => {
    const child = execFile(program, [...args], { timeout: 20_000 }, (fault, stdout) => {
      resume(
        fault === null
          ? Effect.succeed(stdout.trim())
          : Effect.fail(new DistributionFailed({ message: `${program} ${args.join(" ")}: ${fault.message}` }))
      )
    })
    return Effect.sync(() => child.kill("SIGKILL"))
  })

const firstDirectory = (candidates: ReadonlyArray<string>): string | undefined =>
  candidates.find((candidate) => fs.existsSync(candidate))

const layoutOf = (pgbin: string): Effect.Effect<Layout, DistributionFailed> =>
  Effect.gen(function* () {
    const bin = path.dirname(yield* attempt("cannot find Postgres", () => fs.realpathSync(pgbin)))
    const config = path.join(bin, "pg_config")
    if (fs.existsSync(config)) {
      return { bin, share: yield* output(config, ["--sharedir"]), libraries: yield* output(config, ["--pkglibdir"]) }
    }
    const root = path.dirname(bin)
    const share = firstDirectory([path.join(root, "share/postgresql"), path.join(root, "share")])
    const libraries = firstDirectory([path.join(root, "lib/postgresql"), path.join(root, "lib")])
    return share === undefined || libraries === undefined
      ? yield* new DistributionFailed({ message: `no share and lib folders beside ${bin}` })
      : { bin, share, libraries }
  })

const commonFolder = (paths: ReadonlyArray<string>): string => {
  const [first = [], ...others] = paths.map((each) => each.split(path.sep))
  const length = first.findIndex((part, at) => others.some((other) => other[at] !== part))
  return first.slice(0, length < 0 ? first.length : length).join(path.sep) || path.sep
}

/** Whether this account may pass every folder on the way. */
const isReachable = (place: string, account: Account): boolean => {
  const may = (stat: fs.Stats): boolean => {
    const shift = stat.uid === account.uid ? 6 : stat.gid === account.gid ? 3 : 0
    return ((stat.mode >> shift) & 1) === 1
  }
  for (let at = path.resolve(place); ; at = path.dirname(at)) {
    if (!may(fs.statSync(at))) return false
    if (at === path.dirname(at)) return true
  }
}

const linkAll = (from: string, to: string, keep: (name: string) => boolean = () => true): void => {
  fs.mkdirSync(to, { recursive: true })
  for (const name of fs.readdirSync(from)) {
    if (keep(name)) fs.symlinkSync(path.join(from, name), path.join(to, name))
  }
}

/** Renames; another process may have been faster, then ours is not needed. */
export const moveIntoPlace = (draft: string, final: string): void => {
  try {
    fs.renameSync(draft, final)
  } catch {
    fs.rmSync(draft, { recursive: true, force: true })
  }
}

const program = (file: string, text: string): void => fs.writeFileSync(file, text, { mode: 0o755 })

const build = (dir: string, layout: Layout, version: string, control: { host: string; port: number }): Distribution => {
  const common = commonFolder([layout.bin, layout.share, layout.libraries])
  const place = (original: string) => path.join(dir, "real", path.relative(common, original))
  const bin = place(layout.bin)
  linkAll(layout.bin, bin, (name) => !relocated.has(name))
  for (const name of relocated) {
    const original = path.join(layout.bin, name)
    if (fs.existsSync(original)) fs.copyFileSync(original, path.join(bin, name), fs.constants.COPYFILE_FICLONE)
  }
  linkAll(layout.libraries, place(layout.libraries))
  const shared = path.join(path.dirname(layout.bin), "lib")
  if (shared !== layout.libraries && fs.existsSync(shared)) {
    linkAll(shared, place(shared), (name) => fs.statSync(path.join(shared, name)).isFile())
  }
  const share = place(layout.share)
  linkAll(layout.share, share, (name) => name !== "extension")
  const extension = path.join(share, "extension")
  if (fs.existsSync(path.join(layout.share, "extension"))) {
    linkAll(path.join(layout.share, "extension"), extension, (name) => !/^neon(--.*\.sql|\.control)$/.test(name))
  }
  fs.mkdirSync(extension, { recursive: true })
  fs.writeFileSync(path.join(extension, "neon.control"), neonExtension.control)
  fs.writeFileSync(path.join(extension, "neon--1.0.sql"), neonExtension.script)
  const libraries = place(layout.libraries)
  if (!fs.existsSync(path.join(bin, "pg_config"))) {
    program(path.join(bin, "pg_config"), scripts.pgConfig({ version, bin, share, libraries }))
  }
  const front = path.join(dir, "bin")
  linkAll(bin, front, (name) => name !== "postgres" && name !== "postmaster")
  const syncScript = path.join(dir, "sync-safekeepers")
  program(syncScript, scripts.syncSafekeepers(control, { rootMay: false }))
  const pgbin = path.join(front, "postgres")
  program(pgbin, scripts.wrapper({ postgres: path.join(bin, "postgres"), libraries, syncScript }))
  return { pgbin, realBin: bin, version }
}

/** `postgres (PostgreSQL) 15.18 (Debian ...)` -> `15.18`. */
export const versionOf = (pgbin: string): Effect.Effect<string, DistributionFailed> =>
  output(pgbin, ["--version"]).pipe(
    Effect.flatMap((text) => {
      const why = whyNotServed(pgbin, text)
      return why === null
        ? Effect.succeed(/\d+(\.\d+)*\S*/.exec(text)?.[0] ?? text)
        : Effect.fail(new DistributionFailed({ message: why }))
    })
  )

/**
 * Makes a distribution in the new folder `dir`. When `account` cannot pass the folders above `pgbin`, the original is
 * copied into `cache` first.
 */
export const distribution = (options: {
  readonly pgbin: string
  readonly dir: string
  readonly cache: string
  readonly control: { readonly host: string; readonly port: number }
  readonly account: Account | null
}): Effect.Effect<Distribution, DistributionFailed> =>
  Effect.gen(function* () {
    const { pgbin, dir, cache, control, account } = options
    const original = yield* layoutOf(pgbin)
    const version = yield* versionOf(pgbin)
    const layout = yield* attempt(`cannot copy ${original.bin}`, () => {
      if (account === null || isReachable(original.bin, account)) return original
      const common = commonFolder([original.bin, original.share, original.libraries])
      const copy = path.join(cache, `postgres-${version}`)
      if (!fs.existsSync(copy)) {
        const draft = fs.mkdtempSync(`${copy}-`)
        fs.cpSync(common, draft, { recursive: true, verbatimSymlinks: true })
        fs.chmodSync(draft, 0o755)
        moveIntoPlace(draft, copy)
      }
      const moved = (place: string) => path.join(copy, path.relative(common, place))
      return { bin: moved(original.bin), share: moved(original.share), libraries: moved(original.libraries) }
    })
    return yield* attempt(`cannot make a Postgres distribution in ${dir}`, () => build(dir, layout, version, control))
  })

/** The distribution of a server that only pretends: ready at once, with nothing inside. */
export const fakeDistribution = (
  dir: string,
  control: { readonly host: string; readonly port: number },
  version = "17.0"
): Effect.Effect<Distribution, DistributionFailed> =>
  attempt(`cannot make a fake Postgres in ${dir}`, () => {
    const bin = path.join(dir, "bin")
    fs.mkdirSync(bin, { recursive: true })
    const syncScript = path.join(dir, "sync-safekeepers")
    program(syncScript, scripts.syncSafekeepers(control, { rootMay: true }))
    const pgbin = path.join(bin, "postgres")
    program(pgbin, scripts.fakePostgres({ version, syncScript }))
    program(path.join(bin, "initdb"), scripts.fakeInitdb())
    program(path.join(bin, "pg_config"), scripts.pgConfig({ version, bin, share: dir, libraries: dir }))
    return { pgbin, realBin: bin, version }
  })

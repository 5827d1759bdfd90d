/**
 * The images that the Dockerfile starts from. Where no registry of images is reached, root on Debian makes stand-ins of the
 * same names: a minimal Debian out of its packages, and that with the Node of the lock file and this machine's npm.
 */
import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { build, call, succeeds } from "./engine.ts"

const LIBRARY = "docker.io/library"
const CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"

const isThere = (image: string) => succeeds("image", "inspect", image)
const isPulled = (image: string) => isThere(image) || succeeds("pull", "--quiet", image)

const inFolder = async (work: (folder: string) => Promise<void>) => {
  const folder = fs.mkdtempSync(path.join(tmpdir(), "base-"))
  try {
    await work(folder)
  } finally {
    fs.rmSync(folder, { recursive: true, force: true })
  }
}

/** How this machine reaches its packages; nothing else of its settings. */
const acquire = () =>
  execFileSync("apt-config", ["dump"], { encoding: "utf8" })
    .split("\n")
    .filter((line) => /^Acquire::(?:https?|Retries|Check-|ForceIPv)/.test(line) && !line.includes('""'))
    .join("\n")

const sources = (suite: string, folder: string) => {
  const own = /^VERSION_CODENAME=(.*)$/m.exec(fs.readFileSync("/etc/os-release", "utf8"))?.[1] ?? suite
  for (const file of ["sources.list.d/debian.sources", "sources.list"]) {
    const from = path.join("/etc/apt", file)
    if (!fs.existsSync(from)) continue
    fs.mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
    fs.writeFileSync(path.join(folder, file), fs.readFileSync(from, "utf8").replaceAll(own, suite))
  }
}

/** `debian:12.11-slim` and its like, of today's packages. */
export const debian = async (tag: string): Promise<string> => {
  const image = `${LIBRARY}/debian:${tag}`
  if (isPulled(image)) return image
  const suite = tag.startsWith("13") ? "trixie" : "bookworm"
  await inFolder(async (folder) => {
    const archive = path.join(folder, "root.tar")
    // As in the registry's: what nobody reads in a container is left out.
    const unread = ["doc", "info", "locale", "man"].map((what) => `--dpkgopt=path-exclude=/usr/share/${what}/*`)
    const options = ["--variant=minbase", "--dpkgopt=force-unsafe-io", ...unread]
    const made = spawnSync("mmdebstrap", [...options, suite, archive], { encoding: "utf8" })
    if (made.status !== 0) throw new Error(`no base image of ${suite}: ${made.stderr?.slice(-2000)}`)
    const bare = `localhost/bare-${suite}`
    call("import", archive, bare)
    fs.rmSync(archive)
    fs.mkdirSync(path.join(folder, "apt/apt.conf.d"), { recursive: true })
    fs.writeFileSync(path.join(folder, "apt/apt.conf.d/90machine"), `${acquire()}\n`)
    sources(suite, path.join(folder, "apt"))
    const lines = [`FROM ${bare}`, "RUN rm -f /etc/apt/sources.list", "COPY apt/ /etc/apt/"]
    fs.writeFileSync(path.join(folder, "Dockerfile"), `${lines.join("\n")}\n`)
    await build(image, folder)
  })
  return image
}

/** A root to be copied: a Node, npm, and what they are to trust. */
const runtime = (folder: string, node: string, npm: string) => {
  const local = path.join(folder, "root/usr/local")
  for (const at of ["bin", "etc", "lib/node_modules"]) fs.mkdirSync(path.join(local, at), { recursive: true })
  fs.copyFileSync(node, path.join(local, "bin/node"))
  fs.cpSync(path.resolve(fs.realpathSync(npm), "../.."), path.join(local, "lib/node_modules/npm"), { recursive: true })
  fs.symlinkSync("../lib/node_modules/npm/bin/npm-cli.js", path.join(local, "bin/npm"))
  const registry = execFileSync(process.execPath, [npm, "config", "get", "registry"], { encoding: "utf8" }).trim()
  const told = [`registry=${registry}`]
  if (fs.existsSync(CERTIFICATES)) {
    fs.copyFileSync(CERTIFICATES, path.join(local, "etc/certificates.crt"))
    told.push("cafile=/usr/local/etc/certificates.crt")
  }
  fs.writeFileSync(path.join(local, "etc/npmrc"), `${told.join("\n")}\n`)
}

const npm = process.env["npm_execpath"] ?? ""

/** `node:26.10.0-bookworm-slim` and its like, with the Node that runs this. */
export const node = async (tag: string): Promise<string> => {
  const image = `${LIBRARY}/node:${tag}`
  if (isPulled(image)) return image
  const from = await debian("12.11-slim")
  await inFolder(async (folder) => {
    runtime(folder, process.execPath, npm)
    fs.writeFileSync(
      path.join(folder, "Dockerfile"),
      `FROM ${from}\nCOPY root/ /\nRUN node --version && npm --version\n`
    )
    await build(image, folder)
  })
  return image
}

/** Those that a Dockerfile names, its arguments having these values. */
export const basesOf = async (dockerfile: string, values: Readonly<Record<string, string>>): Promise<void> => {
  for (const [, name = "", tag = ""] of dockerfile.matchAll(/^FROM (\w+):(\S+)/gm)) {
    const filled = tag.replace(/\$\{(\w+)\}/g, (_, key: string) => values[key] ?? "")
    await (name === "node" ? node(filled) : debian(filled))
  }
}

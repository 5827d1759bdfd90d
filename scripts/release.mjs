// What a release is: the executable and its other name, what is inside of it (CycloneDX), the licences of that, checksums;
// one tarball. It is built twice, and where the two differ it says so. `npm run release`; needs GNU tar.
import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { partNames } from "./parts.mjs"
import { billOf, insideOf, licenceOf } from "./release/bill.mjs"
import { difference } from "./release/difference.mjs"

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const dist = path.join(root, "dist")
const folder = path.join(dist, "release")
const [npm, npmCli] = process.argv.slice(2)
const read = (file) => fs.readFileSync(path.join(root, file), "utf8")
const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex")

const build = () => {
  execFileSync(process.execPath, [path.join(root, "scripts", "build.mjs")], { stdio: ["ignore", "inherit", "inherit"] })
  return fs.readFileSync(path.join(dist, "compute_ctl"))
}

/** What the executable is made of. */
const parts = () =>
  ["compute_ctl.cjs", ...partNames, "console.json"].map((file) => sha256(fs.readFileSync(path.join(dist, file))))

// Of the last commit: twice the same sources have the same.
const seconds =
  process.env.SOURCE_DATE_EPOCH ??
  execFileSync("git", ["log", "-1", "--format=%ct"], { cwd: root, encoding: "utf8" }).trim()

const first = build()
const firstParts = parts()
const second = build()
process.stdout.write(`${difference(first, second)}\n`)
const sameParts = firstParts.every((hash, index) => hash === parts()[index])
process.stdout.write(`the sources and assets in it are ${sameParts ? "the same" : "not the same"} both times\n`)

const { version, license } = JSON.parse(read("package.json"))
const machine = `${process.platform}-${process.arch}`
const name = `compute_ctl-${version}-${machine}`
const place = path.join(folder, name)
fs.rmSync(folder, { recursive: true, force: true })
fs.mkdirSync(place, { recursive: true })
fs.copyFileSync(path.join(dist, "compute_ctl"), path.join(place, "compute_ctl"))
fs.linkSync(path.join(place, "compute_ctl"), path.join(place, "fast_import"))
fs.copyFileSync(path.join(root, "LICENSE"), path.join(place, "LICENSE"))

const metafile = (file) => JSON.parse(fs.readFileSync(path.join(dist, file), "utf8"))
const inside = insideOf([...metafile("meta.json"), metafile("meta-console.json")], `node-${machine}`).map((home) => ({
  home,
  ...JSON.parse(read(path.join(home, "package.json")))
}))
const bill = JSON.parse(
  execFileSync(npm, [npmCli, "sbom", "--package-lock-only", "--sbom-format", "cyclonedx"].filter(Boolean), {
    cwd: root,
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024
  })
)
fs.writeFileSync(
  path.join(place, "sbom.cdx.json"),
  `${JSON.stringify(billOf(bill, inside, { seconds: Number(seconds), executable: sha256(second) }), null, 2)}\n`
)

const licenceText = (home) => {
  const file = fs.readdirSync(path.join(root, home)).find((entry) => /^(licen[cs]e|copying)/i.test(entry))
  return file === undefined ? null : read(path.join(home, file))
}
fs.writeFileSync(
  path.join(place, "LICENSES.txt"),
  `compute_ctl ${version} is under ${license} (LICENSE). Inside of it are:\n\n${inside.map((one) => licenceOf(one, licenceText(one.home))).join("\n")}`
)

const files = ["LICENSE", "LICENSES.txt", "compute_ctl", "fast_import", "sbom.cdx.json"]
fs.writeFileSync(
  path.join(place, "SHA256SUMS"),
  files.map((file) => `${sha256(fs.readFileSync(path.join(place, file)))}  ${file}\n`).join("")
)
const tarball = `${name}.tar.gz`
execFileSync(
  "sh",
  [
    "-c",
    'tar --sort=name --owner=0 --group=0 --numeric-owner --mode=u+rw,go+r,go-w --mtime="@$1" --format=ustar -cf - "$2" | gzip -9n > "$3"',
    ...["release", seconds, name, tarball]
  ],
  { cwd: folder, stdio: "inherit" }
)
fs.writeFileSync(
  path.join(folder, `${tarball}.sha256`),
  `${sha256(fs.readFileSync(path.join(folder, tarball)))}  ${tarball}\n`
)
process.stdout.write(`${path.join("dist", "release", tarball)}\n`)

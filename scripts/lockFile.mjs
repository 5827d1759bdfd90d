// Fails when a lock file names a dependency without the hash of what it is: such a one is whatever the registry, or who
// stands between, answers with.
//
//   node scripts/lockFile.mjs [package-lock.json]
import * as fs from "node:fs"

const file = process.argv[2] ?? "package-lock.json"
const { packages } = JSON.parse(fs.readFileSync(file, "utf8"))
// What is no dependency is the project itself, and what a link of it leads to.
const unsure = Object.entries(packages).filter(
  ([name, { integrity, link }]) => name.includes("node_modules/") && link !== true && !/^sha512-/.test(integrity ?? "")
)
for (const [name, { version }] of unsure) process.stderr.write(`${file}: ${name} ${version} has no integrity\n`)
process.exit(unsure.length === 0 ? 0 : 1)

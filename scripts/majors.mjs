// The Postgres of each major version that test/majors has installed: its number and its program, a line each.
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { makeLinks } from "./links.mjs"

const modules = path.join(path.dirname(path.dirname(fileURLToPath(import.meta.url))), "test", "majors", "node_modules")
makeLinks(modules)
for (const name of fs.readdirSync(modules).toSorted()) {
  const major = /^postgres-(\d+)-/.exec(name)?.[1]
  const program = path.join(modules, name, "native", "bin", "postgres")
  if (major !== undefined && fs.existsSync(program)) process.stdout.write(`${major} ${program}\n`)
}

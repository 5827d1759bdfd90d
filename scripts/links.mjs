// The packaged Postgres comes without the symbolic links of its shared libraries, since a package can hold none, and with
// a list of them. Its own install script makes them; no package's script runs here, so this does.
import * as fs from "node:fs"
import * as path from "node:path"

/** @param {string} folder a package; what is there already stays */
const makeLinksIn = (folder) => {
  const list = path.join(folder, "native", "pg-symlinks.json")
  if (!fs.existsSync(list)) return
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

/** @param {string} folder one that packages of Postgres lie in */
export const makeLinks = (folder) => {
  for (const name of fs.existsSync(folder) ? fs.readdirSync(folder) : []) makeLinksIn(path.join(folder, name))
}

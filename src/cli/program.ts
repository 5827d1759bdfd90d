/**
 * Programs on this machine, as their flags name them.
 */
import * as fs from "node:fs"
import * as path from "node:path"

/** A regular file that we may run. */
export const isProgram = (file: string): boolean => {
  try {
    fs.accessSync(file, fs.constants.X_OK)
    return fs.statSync(file).isFile()
  } catch {
    return false
  }
}

/** The path of the program; a name without a folder is looked up in `searchPath`. Null where there is none. */
export const findProgram = (name: string, searchPath: string | undefined): string | null => {
  if (name.includes("/")) return isProgram(name) ? name : null
  const folders = (searchPath ?? "").split(":").filter((folder) => folder !== "")
  return folders.map((folder) => path.join(folder, name)).find(isProgram) ?? null
}

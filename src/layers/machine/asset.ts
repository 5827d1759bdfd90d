/**
 * Files that the build puts beside the program: read when they are wanted, they are no memory of a compute before.
 */
import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { getAsset, isSea } from "node:sea"
import { compileFunction } from "node:vm"

/** In the executable, or beside the bundle where a Node runs that. Throws where there is none. */
export const assetText = (name: string): string =>
  isSea() ? getAsset(name, "utf8") : readFileSync(join(dirname(process.argv[1] ?? ""), name), "utf8")

/** Throws where there is none: libraries ask for some that may be missing, and get along without. */
const builtin = (id: string): unknown => {
  const module: unknown = process.getBuiltinModule(id)
  if (module === undefined) throw new Error(`there is no module ${id} in the executable`)
  return module
}

/** Evaluates one that is a module of the CommonJS kind. Gives its exports, `before` where it has none. */
export const evaluated = <A>(name: string, before: A): A => {
  const module = { exports: before }
  compileFunction(assetText(name), ["module", "exports", "require"], { filename: name })(
    module,
    module.exports,
    builtin
  )
  return module.exports
}

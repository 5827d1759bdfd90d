/**
 * The library of AWS, read when it is wanted. It is larger than all of the program, and what lies in the program's bundle
 * is memory of every compute; so the build keeps it apart.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { getAsset, isSea } from "node:sea"
import { compileFunction } from "node:vm"
import type { Library } from "./Aws.ts"

/** Put in by the build: the name of the file that holds it. Sources that were not built have none. */
declare const COMPUTE_CTL_AWS: string | undefined

/** In the executable, or beside the bundle where a Node runs that. */
const textOf = (name: string): string =>
  isSea() ? getAsset(name, "utf8") : fs.readFileSync(path.join(path.dirname(process.argv[1] ?? ""), name), "utf8")

const builtin = (id: string): unknown => process.getBuiltinModule(id)

const evaluate = (name: string): Library => {
  const module: { exports: Library } = {
    exports: { open: () => Promise.reject(new Error(`${name} is not the library of AWS`)) }
  }
  compileFunction(textOf(name), ["module", "exports", "require"], { filename: name })(module, module.exports, builtin)
  return module.exports
}

export const loadLibrary = (): Promise<Library> =>
  typeof COMPUTE_CTL_AWS === "string" ? Promise.resolve(evaluate(COMPUTE_CTL_AWS)) : import("./library.ts")

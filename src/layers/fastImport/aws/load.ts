/**
 * The library of AWS, read when it is wanted. It is larger than all of the program, and what lies in the program's bundle
 * is memory of every compute; so the build keeps it apart.
 */
import { evaluated } from "../../machine/asset.ts"
import type { Library } from "./Aws.ts"

/** Put in by the build: the name of the file that holds it. Sources that were not built have none. */
declare const COMPUTE_CTL_AWS: string | undefined

const evaluate = (name: string): Library =>
  evaluated(name, { open: () => Promise.reject(new Error(`${name} is not the library of AWS`)) })

export const loadLibrary = (): Promise<Library> =>
  typeof COMPUTE_CTL_AWS === "string" ? Promise.resolve(evaluate(COMPUTE_CTL_AWS)) : import("./library.ts")

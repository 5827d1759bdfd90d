/**
 * Files that the build puts beside the program: read when they are wanted, they are no memory of a compute before.
 */
import { readFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { getAsset, isSea } from "node:sea"

/** In the executable, or beside the bundle where a Node runs that. Throws where there is none. */
export const assetText = (name: string): string =>
  isSea() ? getAsset(name, "utf8") : readFileSync(join(dirname(process.argv[1] ?? ""), name), "utf8")

// Libraries that a plain start does not need: files of their own in the executable, read and evaluated at their first use.
// What is in the bundle is memory of every compute, twice where it has been evaluated when the heap was made.
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))

/** By their names: the file. Whoever imports one is itself `import()`ed, or the first line of the program would read it. */
const libraries = { "@grpc/grpc-js": "grpc.cjs", ws: "ws.cjs" }

/** In the bundle, what such a library exports is what its file does. */
export const apart = {
  name: "apart",
  setup(build) {
    const names = Object.keys(libraries).map((name) => name.replace("/", "\\/"))
    build.onResolve({ filter: new RegExp(`^(?:${names.join("|")})$`) }, ({ path }) => ({ path, namespace: "apart" }))
    build.onLoad({ filter: /.*/, namespace: "apart" }, ({ path: name }) => ({
      contents: `module.exports = require("./src/layers/machine/asset.ts").evaluated(${JSON.stringify(libraries[name])}, {})`,
      resolveDir: root
    }))
  }
}

const entries = {
  "aws.cjs": { entryPoints: [path.join(root, "src", "layers", "fastImport", "aws", "library.ts")] },
  ...Object.fromEntries(
    Object.entries(libraries).map(([name, file]) => [
      file,
      { stdin: { contents: `module.exports = require(${JSON.stringify(name)})`, resolveDir: root } }
    ])
  )
}

export const partNames = Object.keys(entries)

/**
 * Writes all of them.
 * @param {string} folder
 * @returns the metafile of each
 */
export const buildParts = (folder) =>
  Promise.all(
    Object.entries(entries).map(async ([file, entry]) => {
      const { metafile } = await build({
        ...entry,
        outfile: path.join(folder, file),
        bundle: true,
        minify: true,
        platform: "node",
        target: "node26",
        format: "cjs",
        // Optional natives of the web socket; the pure JavaScript paths are used.
        external: ["bufferutil", "utf-8-validate"],
        logLevel: "warning",
        legalComments: "none",
        metafile: true
      })
      return metafile
    })
  )

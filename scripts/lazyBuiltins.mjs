// Built-in modules of Node, loaded at the first use of one of their members. A heap snapshot cannot hold what most of
// them create when they are loaded, and a start needs only a few.
import { builtinModules } from "node:module"

/** These are in the snapshot, and work in the process that starts from it. */
export const inSnapshot = [
  ...["async_hooks", "buffer", "child_process", "crypto", "dns", "events", "fs", "fs/promises", "net", "os", "path"],
  ...["perf_hooks", "process", "sea", "stream", "stream/promises", "string_decoder", "timers", "url", "util/types"],
  ...["v8", "zlib"]
]

/** These could be, and are not needed for a start or look at the process's streams when they are loaded. */
export const harmless = ["assert", "console", "diagnostics_channel", "querystring", "util", "worker_threads"]

const isIdentifier = (name) => /^[A-Za-z_$][\w$]*$/.test(name)

// Names of headers and codes of errors, which gRPC reads while it is evaluated. The protocol fixes them.
const isCopied = (id, name) => id === "http2" && name === "constants"

/** What is itself a class is extended, so it has to be the real one. */
const real = (id) => `module.exports = process.getBuiltinModule(${JSON.stringify(`node:${id}`)})`

/** An object with a getter for each export. */
const lazy = (id, exports, names) => `
const load = () => loaded ??= process.getBuiltinModule(${JSON.stringify(`node:${id}`)})
let loaded
Object.assign(exports, ${JSON.stringify(Object.fromEntries(names.filter((name) => isCopied(id, name)).map((name) => [name, exports[name]])))})
for (const name of ${JSON.stringify(names.filter((name) => !isCopied(id, name)))})
  Object.defineProperty(exports, name, { enumerable: true, configurable: true, get: () => load()[name] })
`

/**
 * For those who import: one variable for each export that anybody uses, instead of an object of getters for each importer,
 * which would be a tenth of the heap that a start has to read.
 */
const variables = (id, names) => `
const module = process.getBuiltinModule(${JSON.stringify(`node:${id}`)})
export default module
${names.map((name) => `const own_${name} = /* @__PURE__ */ (() => module.${name})()\nexport { own_${name} as ${name} }`).join("\n")}
`

// The library asks for these two by `require` while it is evaluated, past everything here.
const REQUIRED = /@effect[\\/]platform-node[\\/]dist[\\/]internal[\\/]http\.js$/
const imported = ["http", "https"].map((id) => `export { default as ${id} } from "node:${id}"`).join("\n")

export const lazyBuiltins = {
  name: "lazy-builtins",
  setup(build) {
    const known = new Set(builtinModules)
    build.onResolve({ filter: /^(node:)?[a-z]/ }, ({ kind, path }) => {
      const id = path.replace(/^node:/, "")
      if (!path.startsWith("node:") && !known.has(id)) return undefined
      return { path: id, namespace: kind === "require-call" || !inSnapshot.includes(id) ? "builtin" : "variables" }
    })
    build.onLoad({ filter: /.*/, namespace: "variables" }, async ({ path }) => {
      const names = Object.keys(await import(`node:${path}`)).filter((name) => name !== "default" && isIdentifier(name))
      return { contents: variables(path, names), loader: "js" }
    })
    build.onLoad({ filter: REQUIRED }, () => ({ contents: imported, loader: "js" }))
    build.onLoad({ filter: /.*/, namespace: "builtin" }, async ({ path }) => {
      const exports = await import(`node:${path}`)
      const names = Object.keys(exports).filter((name) => name !== "default" && isIdentifier(name))
      const isWhole = typeof exports.default === "function" || inSnapshot.includes(path)
      const contents = isWhole ? real(path) : lazy(path, exports, names)
      return { contents, loader: "js" }
    })
  }
}

// Built-in modules of Node, loaded at the first use of one of their members. A heap snapshot cannot hold what most of
// them create when they are loaded, and a start needs only a few.
import { builtinModules } from "node:module"

const isIdentifier = (name) => /^[A-Za-z_$][\w$]*$/.test(name)

/** An object with a getter for each export. What is itself a class is extended, so it has to be the real one. */
const source = (id, names, isCallable) =>
  isCallable
    ? `module.exports = process.getBuiltinModule(${JSON.stringify(`node:${id}`)})`
    : `
const load = () => loaded ??= process.getBuiltinModule(${JSON.stringify(`node:${id}`)})
let loaded
for (const name of ${JSON.stringify(names)})
  Object.defineProperty(exports, name, { enumerable: true, configurable: true, get: () => load()[name] })
`

export const lazyBuiltins = {
  name: "lazy-builtins",
  setup(build) {
    const known = new Set(builtinModules)
    build.onResolve({ filter: /^(node:)?[a-z]/ }, ({ path }) => {
      const id = path.replace(/^node:/, "")
      return path.startsWith("node:") || known.has(id) ? { path: id, namespace: "builtin" } : undefined
    })
    build.onLoad({ filter: /.*/, namespace: "builtin" }, async ({ path }) => {
      const exports = await import(`node:${path}`)
      const names = Object.keys(exports).filter((name) => name !== "default" && isIdentifier(name))
      return { contents: source(path, names, typeof exports.default === "function"), loader: "js" }
    })
  }
}

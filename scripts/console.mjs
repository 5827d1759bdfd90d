// Builds the console: one page with its script and its style inside, and the policy that lets a browser run nothing else.
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import { build } from "esbuild"

/** Bytes, before compression. */
const MOST = 150_000

const hash = (text) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`

export const consolePage = async (root) => {
  const at = path.join(root, "packages", "console")
  const options = {
    bundle: true,
    minify: true,
    write: false,
    logLevel: "warning",
    legalComments: "none",
    target: "es2022"
  }
  const built = await Promise.all([
    build({
      ...options,
      entryPoints: [path.join(at, "src", "main.tsx")],
      format: "esm",
      platform: "browser",
      jsx: "automatic",
      jsxImportSource: "preact",
      metafile: true
    }),
    build({ ...options, entryPoints: [path.join(at, "style.css")] })
  ])
  const [script, style] = built.map(({ outputFiles }) => outputFiles[0].text.trim())
  if (script.includes("</script")) throw new Error("the console's script would end its element")
  const html = fs
    .readFileSync(path.join(at, "index.html"), "utf8")
    .replace("/*style*/", () => style)
    .replace("/*script*/", () => script)
  if (html.length > MOST) throw new Error(`the console has ${html.length} bytes, more than ${MOST}`)
  const policy = [
    ...["default-src 'none'", `script-src ${hash(script)}`, `style-src ${hash(style)}`, "connect-src 'self'"],
    ...["img-src data:", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]
  ].join("; ")
  return { page: { html, policy }, metafile: built[0].metafile }
}

// Builds the product: one CommonJS bundle, and around it one executable file that carries its own Node.
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const dist = path.join(root, "dist")
const bundle = path.join(dist, "compute_ctl.cjs")
const executable = path.join(dist, "compute_ctl")
const node = path.join(root, "node_modules", "node", "bin", "node")

fs.mkdirSync(dist, { recursive: true })
await build({
  entryPoints: [path.join(root, "src", "main.ts")],
  outfile: bundle,
  bundle: true,
  minify: true,
  keepNames: false,
  platform: "node",
  target: "node26",
  format: "cjs",
  // Optional natives of the drivers; the pure JavaScript paths are used.
  external: ["pg-native", "bufferutil", "utf-8-validate"],
  // A dynamic import stays lazy: esbuild wraps the module and runs it at the first call.
  define: { "process.env.NODE_ENV": '"production"', "import.meta.url": "undefined" },
  logOverride: { "empty-import-meta": "silent" },
  logLevel: "warning",
  legalComments: "none",
  metafile: true
}).then(({ metafile }) => fs.writeFileSync(path.join(dist, "meta.json"), JSON.stringify(metafile)))

const config = path.join(dist, "sea.json")
fs.writeFileSync(
  config,
  JSON.stringify({
    main: bundle,
    output: `${executable}.new`,
    disableExperimentalSEAWarning: true,
    useCodeCache: true,
    // The program's behaviour is its own: variables meant for other Node programs do not reach it.
    execArgvExtension: "none",
    execArgv: ["--no-warnings", "--max-semi-space-size=4", "--stack-trace-limit=0"]
  })
)
execFileSync(node, ["--build-sea", config], { stdio: ["ignore", "ignore", "inherit"] })
// The builder writes the file in one piece, which the page cache then holds in huge folios: each process would map
// 35 MB more of it than it uses. A copy in small pieces maps as any other binary.
execFileSync("dd", [`if=${executable}.new`, `of=${executable}.copy`, "bs=64k"], { stdio: "ignore" })
fs.rmSync(`${executable}.new`)
fs.chmodSync(`${executable}.copy`, 0o755)
// A running program keeps the file it was started from.
fs.renameSync(`${executable}.copy`, executable)

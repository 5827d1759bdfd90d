// Builds the product: one bundle, evaluated once here, and one executable file that carries Node and the heap as it was
// after the evaluation. A start then costs neither reading nor running the modules.
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"
import { blind } from "./blind.mjs"
import { trimCodeCache } from "./codeCache.mjs"
import { consolePage } from "./console.mjs"
import { harmless, inSnapshot, lazyBuiltins } from "./lazyBuiltins.mjs"
import { apart, buildParts, partNames } from "./parts.mjs"
import { builderFlags, heapFlags, rehearse } from "./rehearsal/conductor.mjs"
import { runtime } from "./runtime.mjs"
import { shorten } from "./shorten.mjs"

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)))
const dist = path.join(root, "dist")
const bundle = path.join(dist, "compute_ctl.cjs")
const executable = path.join(dist, "compute_ctl")
// Read by a browser only.
const page = path.join(dist, "console.json")
const node = runtime(root)

fs.mkdirSync(dist, { recursive: true })
const { metafile, outputFiles } = await build({
  entryPoints: [path.join(root, "src", "main.ts")],
  outfile: bundle,
  write: false,
  bundle: true,
  minify: true,
  platform: "node",
  target: "node26",
  format: "cjs",
  // A dynamic import stays lazy: the module is wrapped and evaluated at the first call.
  plugins: [apart, lazyBuiltins],
  define: {
    "import.meta.url": "undefined",
    COMPUTE_CTL_BUILD_TAG: JSON.stringify(process.env.BUILD_TAG || "latest"),
    COMPUTE_CTL_AWS: JSON.stringify("aws.cjs")
  },
  logOverride: { "empty-import-meta": "silent" },
  logLevel: "warning",
  legalComments: "none",
  metafile: true
})
fs.writeFileSync(path.join(dist, "meta.json"), JSON.stringify([metafile, ...(await buildParts(dist))]))

const made = await consolePage(root)
fs.writeFileSync(page, JSON.stringify(made.page))
fs.writeFileSync(path.join(dist, "meta-console.json"), JSON.stringify(made.metafile))
const frame = ["standIns.cjs", "frame.cjs"].map((name) =>
  fs.readFileSync(path.join(root, "scripts", "rehearsal", name), "utf8")
)
fs.writeFileSync(
  bundle,
  [`const evaluate = (module) => {${outputFiles[0].text}\nreturn module.exports}`, ...frame]
    .join("\n")
    .replace("/* ALLOWED */", JSON.stringify([...inSnapshot, ...harmless]))
)

const config = path.join(dist, "sea.json")
fs.writeFileSync(
  config,
  JSON.stringify({
    // Part of every stack trace, and the same wherever it was built.
    main: process.platform === "linux" ? `/proc/self/cwd/${path.basename(bundle)}` : bundle,
    output: path.basename(`${executable}.new`),
    disableExperimentalSEAWarning: true,
    useSnapshot: true,
    assets: Object.fromEntries([...partNames, path.basename(page)].map((name) => [name, path.join(dist, name)])),
    // The program's behaviour is its own: variables meant for other Node programs do not reach it.
    execArgvExtension: "none",
    // SIGUSR1 would open a debugger's port to every local process; the configuration file of the machine's OpenSSL may
    // load code.
    execArgv: ["--no-warnings", "--disable-sigusr1", "--openssl-config=/dev/null", ...heapFlags]
  })
)
await rehearse(node, [...builderFlags, "--build-sea", path.basename(config)], dist)
shorten(`${executable}.new`, trimCodeCache(`${executable}.new`))
blind(`${executable}.new`)
// The builder writes the file in one piece, which the page cache then holds in huge folios: each process would map
// 35 MB more of it than it uses. A copy in small pieces maps as any other binary.
execFileSync("dd", [`if=${executable}.new`, `of=${executable}.copy`, "bs=64k"], { stdio: "ignore" })
fs.rmSync(`${executable}.new`)
fs.chmodSync(`${executable}.copy`, 0o755)
// A running program keeps the file it was started from.
fs.renameSync(`${executable}.copy`, executable)
// The program's other name.
const link = path.join(dist, "fast_import")
fs.rmSync(link, { force: true })
fs.linkSync(executable, link)

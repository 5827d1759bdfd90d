// Executes a Dockerfile's steps in plain folders, one for each stage, where no container engine is at hand. What changes
// the machine itself is recorded instead of done: packages (whose versions must be pinned), accounts, owners.
//
//   node scripts/dockerfile-dry-run.mjs [--file Dockerfile] [--context .] --into FOLDER [--node-modules FOLDER]
//
// With --node-modules the step `npm ci` links that folder instead of downloading everything anew.
// The last line on stdout is JSON: the last stage's folder, its settings and what was recorded.
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { parseArgs } from "node:util"

const { values: given } = parseArgs({
  options: {
    file: { type: "string", default: "Dockerfile" },
    context: { type: "string", default: "." },
    into: { type: "string" },
    "node-modules": { type: "string" }
  }
})

const fail = (message) => {
  process.stderr.write(`${message}\n`)
  process.exit(1)
}
if (given.into === undefined) fail("--into FOLDER is missing")
const context = path.resolve(given.context)
const into = path.resolve(given.into)
fs.mkdirSync(into, { recursive: true })

/** Instructions with their continuation lines joined, comments dropped. */
const instructions = fs
  .readFileSync(given.file, "utf8")
  .split("\n")
  .filter((line) => !/^\s*#/.test(line))
  .join("\n")
  .replaceAll(/\\\n/g, " ")
  .split("\n")
  .map((line) => line.trim())
  .filter((line) => line !== "")
  .map((line) => {
    const [, name, rest] = /^(\w+)\s*(.*)$/s.exec(line) ?? []
    return { name: name.toUpperCase(), rest, line }
  })

/** The files of the context that the ignore file lets through: the last pattern that matches decides. */
const ignoreFile = path.join(context, ".dockerignore")
const patterns = (fs.existsSync(ignoreFile) ? fs.readFileSync(ignoreFile, "utf8") : "")
  .split("\n")
  .map((line) => line.trim())
  .filter((line) => line !== "" && !line.startsWith("#"))
const isIgnored = (name) => {
  const top = name.split("/")[0]
  let ignored = false
  for (const pattern of patterns) {
    const wanted = pattern.replace(/^!/, "")
    if (wanted === "*" || wanted === top || wanted === name) ignored = !pattern.startsWith("!")
  }
  return ignored
}

const outer = new Map()
const stages = new Map()
const recorded = { packages: [], accounts: [], owners: [] }
let stage

const substitute = (text) =>
  text.replaceAll(/\$\{(\w+)\}|\$(\w+)/g, (_, braced, plain) => {
    const name = braced ?? plain
    return stage?.env.get(name) ?? stage?.args.get(name) ?? outer.get(name) ?? ""
  })

const inside = (where, folder = stage.folder) =>
  path.join(folder, path.isAbsolute(where) ? where : path.join(stage.workdir, where))

const from = ({ rest }) => {
  const [image, , name = `stage${stages.size}`] = substitute(rest).split(/\s+/)
  if (!/^[^:@]+(\/[^:@]+)*(:(?!latest)[^@]*\d[^@]*|@sha256:[0-9a-f]{64})$/.test(image))
    fail(`FROM ${image}: the version is not pinned`)
  stage = { name, image, folder: path.join(into, name), workdir: "/", env: new Map(), args: new Map(), settings: {} }
  fs.mkdirSync(stage.folder, { recursive: true })
  stages.set(name, stage)
}

const copy = ({ rest }) => {
  const flags = [...rest.matchAll(/--(\w+)=(\S+)/g)].map(([, name, value]) => [name, value])
  const { from: source, chmod } = Object.fromEntries(flags)
  const words = rest
    .replaceAll(/--\w+=\S+/g, "")
    .trim()
    .split(/\s+/)
    .map(substitute)
  const target = words.pop() ?? ""
  const base = source === undefined ? context : stages.get(source)?.folder
  if (base === undefined) fail(`COPY --from=${source}: there is no such stage`)
  for (const word of words) {
    const path_ = path.join(base, word)
    if (!fs.existsSync(path_)) fail(`COPY ${word}: no such file in ${source ?? "the context"}`)
    if (source === undefined && isIgnored(word)) fail(`COPY ${word}: the ignore file keeps it out of the context`)
    const isFolder = target.endsWith("/") || target === "."
    const to = isFolder ? path.join(inside(target), path.basename(word)) : inside(target)
    fs.mkdirSync(path.dirname(to), { recursive: true })
    fs.cpSync(path_, to, { recursive: true, verbatimSymlinks: true })
    if (chmod !== undefined) fs.chmodSync(to, Number.parseInt(chmod, 8))
  }
}

/** Programs that would change the machine. Each writes down what it was asked for. */
const shims = path.join(into, ".shims")
const notes = path.join(into, ".notes")
fs.mkdirSync(shims, { recursive: true })
fs.writeFileSync(notes, "")
const shim = (name, body) => fs.writeFileSync(path.join(shims, name), `#!/bin/sh\n${body}\n`, { mode: 0o755 })
const note = `printf '%s\\t' "$(basename "$0")" "$@" >> '${notes}'; echo >> '${notes}'`
for (const name of ["apt-get", "groupadd", "useradd", "chown"]) shim(name, note)
// Owners are written down, the folders are made.
shim(
  "install",
  `${note}\nfor word; do shift; case $word in -o|-g) skip=1;; *) [ "$skip" = 1 ] || set -- "$@" "$word"; skip=;; esac; done\nexec /usr/bin/install "$@"`
)
if (given["node-modules"] !== undefined) {
  shim("npm", `[ "$1" = ci ] || exit 1\nln -s '${path.resolve(given["node-modules"])}' node_modules`)
}

/** Absolute paths of the image, as they appear in shell text. */
const PATHS = /(^|[\s='"(>])\/(?=(?:etc|usr|var|neon|src|opt|run|home|tmp)\b)/g

const run = ({ rest }) => {
  const text = rest.replaceAll(PATHS, (_, before) => `${before}${stage.folder}/`)
  const strayed = text
    .replaceAll(stage.folder, "")
    .match(/(^|[\s='"(>])\/(?!etc|usr|var|neon|src|opt|run|home|tmp|dev\/null|bin\/(?:ba)?sh\b)\S*/)
  if (strayed !== null) fail(`RUN: a path outside of the stage: ${strayed[0].trim()}`)
  const cwd = inside(stage.workdir)
  fs.mkdirSync(cwd, { recursive: true })
  try {
    execFileSync("/bin/sh", ["-euc", text], {
      cwd,
      stdio: ["ignore", "inherit", "inherit"],
      env: {
        ...Object.fromEntries(stage.args),
        ...Object.fromEntries(stage.env),
        PATH: `${shims}:${path.dirname(process.execPath)}:${process.env.PATH ?? "/usr/bin:/bin"}`,
        HOME: stage.folder
      }
    })
  } catch (error) {
    fail(`RUN ${rest}\n${error.message}`)
  }
}

const words = (text) => (text.startsWith("[") ? JSON.parse(text) : ["/bin/sh", "-c", text])

const execute = {
  FROM: from,
  ARG: ({ rest }) => {
    const [name, value] = rest.split(/=(.*)/s)
    ;(stage?.args ?? outer).set(name, substitute(value ?? outer.get(name) ?? ""))
  },
  ENV: ({ rest }) => {
    for (const [, name, value] of rest.matchAll(/(\w+)=(\S+)/g)) stage.env.set(name, substitute(value))
  },
  WORKDIR: ({ rest }) => {
    stage.workdir = path.resolve(stage.workdir, substitute(rest))
    fs.mkdirSync(inside(stage.workdir), { recursive: true })
  },
  COPY: copy,
  RUN: run,
  USER: ({ rest }) => {
    stage.settings.user = rest
  },
  EXPOSE: ({ rest }) => {
    stage.settings.ports = [...(stage.settings.ports ?? []), ...rest.split(/\s+/).map(Number)]
  },
  STOPSIGNAL: ({ rest }) => {
    stage.settings.stopSignal = rest
  },
  HEALTHCHECK: ({ rest }) => {
    stage.settings.health = words(rest.replace(/^.*?\bCMD\s+/s, ""))
  },
  ENTRYPOINT: ({ rest }) => {
    stage.settings.entrypoint = words(rest)
  },
  CMD: ({ rest }) => {
    stage.settings.command = words(rest)
  }
}

for (const instruction of instructions) {
  const step = execute[instruction.name]
  if (step === undefined) fail(`unknown instruction: ${instruction.line}`)
  process.stderr.write(`${stage?.name ?? "-"}: ${instruction.line}\n`)
  step(instruction)
}

for (const line of fs
  .readFileSync(notes, "utf8")
  .split("\n")
  .filter((text) => text !== "")) {
  const [program, ...args] = line.split("\t").slice(0, -1)
  const plain = args.filter((arg) => !arg.startsWith("-"))
  if (program === "apt-get" && plain[0] === "install") recorded.packages.push(...plain.slice(1))
  if (program === "groupadd" || program === "useradd") recorded.accounts.push(args.join(" "))
  if (program === "chown" || program === "install")
    recorded.owners.push(args.map((arg) => arg.replace(stage.folder, "")).join(" "))
}
const loose = recorded.packages.filter((name) => !/=.*\d/.test(name))
if (loose.length > 0) fail(`apt-get install: the version is not pinned: ${loose.join(", ")}`)

const { name, image, folder, workdir, env, settings } = stage
const result = { name, image, folder, workdir, env: Object.fromEntries(env), ...settings, ...recorded }
process.stdout.write(`${JSON.stringify(result)}\n`)

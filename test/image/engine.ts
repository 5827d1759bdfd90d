/**
 * The container engine that this machine has: `ENGINE` as it is called, else podman or docker.
 *
 * Podman's defaults want control groups of version 2 and the limits of a whole machine; where root has less (a container, a
 * small VM), it gets a configuration that does without. Nothing of the machine's own is changed.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"

const has = (program: string) =>
  (process.env["PATH"] ?? "").split(":").some((at) => fs.existsSync(path.join(at, program)))

const cache = path.resolve(import.meta.dirname, "../../node_modules/.cache")

/** Where the engine is called: podman's monitor leaves a file named `oom` in that folder when the memory of a container ran out. */
const cwd = cache
fs.mkdirSync(cwd, { recursive: true })

const isRoot = process.getuid?.() === 0
/** Version 2 alone has the first of these at its root; the second is there where systemd makes control groups. */
const isWhole = ["/sys/fs/cgroup/cgroup.controllers", "/run/systemd/system"].every((file) => fs.existsSync(file))
const isSmall = isRoot && !isWhole && has("runc")

const configured = (): NodeJS.ProcessEnv => {
  if (!isSmall) return process.env
  const hard = (what: string) => execFileSync("bash", ["-c", `ulimit -H${what}`], { encoding: "utf8" }).trim()
  const limit = (what: string, most: number) => {
    const allowed = Math.min(Number(hard(what)) || most, most)
    return `${allowed}:${allowed}`
  }
  const file = path.join(cache, "containers.conf")
  fs.mkdirSync(cache, { recursive: true })
  fs.writeFileSync(
    file,
    [
      "[containers]",
      `default_ulimits = ["nofile=${limit("n", 4096)}", "nproc=${limit("u", 4096)}"]`,
      "[engine]",
      'runtime = "runc"',
      'cgroup_manager = "cgroupfs"',
      'events_logger = "file"\n'
    ].join("\n")
  )
  return { ...process.env, CONTAINERS_CONF: file }
}
/** For programs that call the engine themselves. */
export const environment = configured()

const answers = (program: string) =>
  has(program) && spawnSync(program, ["info"], { stdio: "ignore", env: environment }).status === 0
const command = process.env["ENGINE"]?.split(" ") ?? ["podman", "docker"].filter(answers).slice(0, 1)
const [program = "", ...flags] = command

export const hasEngine = program !== ""
export const isPodman = path.basename(program) === "podman"

/** What it printed; fails with what it complained of. */
export const call = (...args: ReadonlyArray<string>): string => {
  const { error, status, stderr, stdout } = spawnSync(program, [...flags, ...args], {
    cwd,
    encoding: "utf8",
    env: environment,
    maxBuffer: 64 * 1024 * 1024
  })
  if (error !== undefined) throw error
  if (status !== 0)
    throw new Error(`${program} ${args.join(" ")}: ${status}\n${stdout.slice(-4000)}${stderr.slice(-4000)}`)
  return stdout
}

export const succeeds = (...args: ReadonlyArray<string>): boolean =>
  spawnSync(program, [...flags, ...args], { cwd, stdio: "ignore", env: environment }).status === 0

/** What a container said on both of its streams. */
export const logs = (container: string): string => {
  const { stderr, stdout } = spawnSync(program, [...flags, "logs", container], { encoding: "utf8", env: environment })
  return `${stdout}${stderr}`
}

/** A command of minutes: the runner goes on meanwhile. Its whole output, and its exit code. */
export const longCall = (...args: ReadonlyArray<string>) =>
  new Promise<{ readonly code: number | null; readonly output: string }>((resolve, reject) => {
    const child = spawn(program, [...flags, ...args], { cwd, env: environment, stdio: ["ignore", "pipe", "pipe"] })
    let output = ""
    const heard = (chunk: Buffer) => {
      output += chunk
    }
    child.stdout.on("data", heard)
    child.stderr.on("data", heard)
    child.once("error", reject)
    child.once("close", (code) => resolve({ code, output }))
  })

/** Asked four times a second, for two minutes at least. */
export const until = async (isSo: () => boolean, complaint: () => string): Promise<void> => {
  for (let tries = 0; tries < 480; tries++) {
    if (isSo()) return
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
  throw new Error(complaint())
}

/** Of every container that a suite runs: what a run that was ended left behind is found by it. */
export const LABEL = "compute_ctl=test"

/** A root that is read only, no right but an account's own. */
export const hardened = [
  ...["--label", LABEL, "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp:mode=1777"]
]

const aptAuthorization = "/etc/apt/auth.conf.d"

/** `podman build` or `docker build`, with packages from where this machine has them. */
export const build = async (image: string, context: string, ...args: ReadonlyArray<string>): Promise<void> => {
  const { code, output } = await longCall(
    ...["build", "--network=host", "--tag", image, ...args],
    // What docker's format has and the other lacks is the health check.
    ...(isPodman ? ["--format=docker"] : []),
    ...(isSmall && isPodman ? ["--isolation=chroot"] : []),
    ...(isPodman && fs.existsSync(aptAuthorization) ? ["--volume", `${aptAuthorization}:${aptAuthorization}:ro`] : []),
    context
  )
  if (code !== 0) throw new Error(`${image} was not built: ${output.slice(-6000)}`)
}

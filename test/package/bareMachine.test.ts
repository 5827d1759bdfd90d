/**
 * `npm start` from nothing, and the executable, on machines that have Node, npm and what Debian calls minimal.
 *
 * A root of such a machine takes root's rights, mmdebstrap and Debian's packages; elsewhere these tests are skipped.
 */
import { type ChildProcess, execFile, spawn } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { promisify } from "node:util"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"

const run = promisify(execFile)
const root = path.resolve(import.meta.dirname, "../..")
const has = (program: string) =>
  (process.env["PATH"] ?? "").split(":").some((at) => fs.existsSync(path.join(at, program)))
const npm = process.env["npm_execpath"]
const isPossible = process.platform === "linux" && process.getuid?.() === 0 && has("mmdebstrap") && npm !== undefined

const CHECKOUT = "/home/someone/checkout"
const ORDINARY = 1234

/** In a mount and process namespace of its own, which ends with it whatever it started. */
const enter = (folder: string, command: string, user = 0) => [
  ...["--mount", "--pid", "--fork", "--kill-child", "bash", "-euc"],
  `mount --make-rprivate /
   mount -t proc proc "$0/proc"
   mount --rbind /dev "$0/dev"
   if [ -d "$3" ]; then mount --bind "$3" "$0/npm-cache"; fi
   exec chroot "$0" setpriv --reuid "$2" --regid "$2" --clear-groups bash -c "cd ${CHECKOUT} && $1"`,
  ...[folder, command, String(user), process.env["npm_config_cache"] ?? ""]
]

/** What npm was told about registries and certificates holds there too; nothing else of this machine does. */
const environment = () => {
  const told = ["registry", "cafile", "ca", "strict_ssl", "proxy", "https_proxy", "noproxy"].map(
    (name) => `npm_config_${name}`
  )
  const passed = [...told, "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"]
  return {
    PATH: "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
    HOME: "/tmp",
    npm_config_cache: "/npm-cache",
    npm_config_prefer_offline: "true",
    ...Object.fromEntries(
      passed.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]]))
    )
  }
}

const inside = (folder: string, command: string, user?: number) =>
  run("unshare", enter(folder, command, user), { env: environment(), maxBuffer: 64 * 1024 * 1024 })

/** Node and npm of this machine; where that Node wants libraries of this machine, the one of the scripts. */
const giveNode = async (folder: string) => {
  const bin = path.join(folder, "usr/local/bin")
  const modules = path.join(folder, "usr/local/lib/node_modules")
  fs.mkdirSync(modules, { recursive: true })
  await fs.promises.cp(path.resolve(fs.realpathSync(npm ?? ""), "../.."), path.join(modules, "npm"), {
    recursive: true
  })
  fs.symlinkSync("../lib/node_modules/npm/bin/npm-cli.js", path.join(bin, "npm"))
  for (const node of [process.env["npm_node_execpath"] ?? process.execPath, process.execPath]) {
    await fs.promises.copyFile(node, path.join(bin, "node"))
    const starts = await run("chroot", [folder, "/usr/local/bin/node", "--version"]).then(
      () => true,
      () => false
    )
    if (starts) return
  }
  assert.fail("no Node starts there")
}

/** What `npm ci` and the build made on the first of the machines; the second is given it. */
const finished = path.join(fs.mkdtempSync(path.join(tmpdir(), "bare-")), "checkout")
afterAll(() => run("rm", ["-rf", path.dirname(finished)]), 120_000)

const giveCheckout = async (folder: string) => {
  const checkout = path.join(folder, CHECKOUT)
  fs.mkdirSync(path.dirname(checkout), { recursive: true })
  if (fs.existsSync(finished)) {
    await fs.promises.rename(finished, checkout)
  } else {
    for (const name of ["package.json", "package-lock.json", ".npmrc", "tsconfig.json", "scripts", "packages", "src"]) {
      await fs.promises.cp(path.join(root, name), path.join(checkout, name), { recursive: true })
    }
  }
  fs.mkdirSync(path.join(folder, "npm-cache"))
  for (const name of ["etc/resolv.conf", "etc/hosts", "etc/ssl/certs/ca-certificates.crt"]) {
    if (!fs.existsSync(path.join("/", name))) continue
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true })
    fs.copyFileSync(path.join("/", name), path.join(folder, name))
  }
}

/** `npm start` until it says how to connect, then a Ctrl-C: its exit code and all that it said. */
const start = async (folder: string, user?: number) => {
  const child: ChildProcess = spawn("unshare", enter(folder, "exec npm start", user), {
    env: environment(),
    detached: true,
    stdio: ["ignore", "pipe", "pipe"]
  })
  const ended = new Promise<number | null>((resolve) => void child.once("close", resolve))
  let log = ""
  const isUp = new Promise<void>((resolve) => {
    const heard = (chunk: Buffer) => {
      log += chunk
      if (log.includes("Ctrl-C stops it.")) resolve()
    }
    child.stdout?.on("data", heard)
    child.stderr?.on("data", heard)
  })
  await Promise.race([isUp, ended])
  if (child.exitCode === null) process.kill(-(child.pid ?? 0), "SIGINT")
  return { code: await ended, log }
}

const bareMachine = (release: string, tests: (folder: string, isMade: () => boolean) => void) =>
  describe.skipIf(!isPossible)(`a bare Debian ${release} (needs root and mmdebstrap)`, () => {
    const folder = isPossible ? fs.mkdtempSync(path.join(tmpdir(), `bare-${release}-`)) : ""
    let isMade = false
    beforeAll(async () => {
      // The postmaster's account has to reach the packaged Postgres.
      fs.chmodSync(folder, 0o755)
      // A root that is thrown away need not survive a power cut.
      const options = ["--variant=minbase", "--mode=root", "--dpkgopt=force-unsafe-io"]
      isMade = await run("mmdebstrap", [...options, release, folder]).then(
        () => true,
        (error: Error) => {
          process.stderr.write(`no root of ${release}, its tests are skipped: ${error.message.slice(-500)}\n`)
          return false
        }
      )
      if (!isMade) return
      await giveNode(folder)
      await giveCheckout(folder)
    }, 600_000)
    afterAll(async () => {
      const checkout = path.join(folder, CHECKOUT)
      if (fs.existsSync(checkout) && !fs.existsSync(finished)) await fs.promises.rename(checkout, finished)
      await run("rm", ["-rf", "--one-file-system", folder])
    }, 300_000)
    it("lacks what would make this easy", async ({ skip }) => {
      skip(!isMade)
      const found = await inside(
        folder,
        "ls -d /usr/lib/*/libatomic.so* /usr/bin/gcc /usr/bin/python3 2>/dev/null | wc -l"
      )
      assert.strictEqual(found.stdout, "0\n")
    })
    tests(folder, () => isMade)
  })

bareMachine("bookworm", (folder, isMade) => {
  it("runs a compute by npm start, from nothing, as root", async ({ skip }) => {
    skip(!isMade())
    const { code, log } = await start(folder)
    assert.include(log, "Ctrl-C stops it.", log.slice(-4000))
    assert.include(log, "database system is shut down")
    assert.strictEqual(code, 0)
  }, 600_000)

  it("runs the executable with an empty environment", async ({ skip }) => {
    skip(!isMade())
    const { stdout } = await inside(folder, "env -i dist/compute_ctl --help")
    assert.include(stdout, "--pgdata")
  })
})

bareMachine("trixie", (folder, isMade) => {
  it("runs a compute as an ordinary user, of a checkout that was installed and built", async ({ skip }) => {
    skip(!isMade())
    fs.appendFileSync(path.join(folder, "etc/passwd"), `someone:x:${ORDINARY}:${ORDINARY}::/home/someone:/bin/bash\n`)
    await inside(folder, `chown -R ${ORDINARY} .`)
    const { code, log } = await start(folder, ORDINARY)
    assert.include(log, "Ctrl-C stops it.", log.slice(-4000))
    assert.strictEqual(code, 0)
  }, 600_000)

  it("runs the executable with an empty environment", async ({ skip }) => {
    skip(!isMade())
    const { stdout } = await inside(folder, "env -i dist/compute_ctl --help", ORDINARY)
    assert.include(stdout, "--pgdata")
  })
})

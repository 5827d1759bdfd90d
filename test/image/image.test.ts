/**
 * The image on the engine that this machine has: beside emulated storage, with a root that is read only, no capability and
 * 400 MB. Part of `npm run test:long`, as a build takes minutes and base images from a registry.
 *
 * IMAGE names one that was built already; ENGINE is how the engine is called, else podman or docker.
 */
import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"

const root = path.resolve(import.meta.dirname, "../..")
const MEGABYTE = 1_000_000
const BUDGET = 500 * MEGABYTE
/** Longer than a stop may take: beyond it the engine would kill. */
const GRACE = 45

const answers = (program: string) => spawnSync(program, ["info"], { stdio: "ignore" }).status === 0
const engine = process.env["ENGINE"]?.split(" ") ?? ["podman", "docker"].filter(answers).slice(0, 1)
const isWanted = process.env["TEST_IMAGE"] !== undefined && engine.length > 0

const call = (...args: ReadonlyArray<string>) => {
  const [program = "", ...flags] = engine
  return execFileSync(program, [...flags, ...args], { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] })
}
const quietly = (...args: ReadonlyArray<string>) => {
  const [program = "", ...flags] = engine
  spawnSync(program, [...flags, ...args], { stdio: "ignore" })
}

const logs = (container: string) => {
  const [program = "", ...flags] = engine
  const { stderr, stdout } = spawnSync(program, [...flags, "logs", container], { encoding: "utf8" })
  return `${stdout}${stderr}`
}

const name = `compute-test-${process.pid}`
const storage = `${name}-storage`
const volumes = ["data", "sockets", "emulated"].map((what) => `${name}-${what}`)
const [data = "", sockets = "", emulated = ""] = volumes
const folder = fs.mkdtempSync(path.join(tmpdir(), "image-"))
const image = process.env["IMAGE"] ?? "compute_ctl:test"

// Both containers have the first one's loopback and nothing else: ports are nobody else's, no name has to be resolved.
const hardened = [
  ...["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--tmpfs=/tmp:mode=1777"],
  ...["--volume", `${emulated}:/neon/cache`]
]
const program = "/usr/local/bin/compute_ctl"

const inside = (script: string) => call("exec", name, "/bin/bash", "-c", script)
const sql = (text: string) =>
  call("exec", name, "psql", "-h", "localhost", "-U", "cloud_admin", "-Atc", text, "app").trim()

/** The image's own health check, as the engine would run it. */
const ready = (): boolean => {
  const check: ReadonlyArray<string> = JSON.parse(
    /^ +CMD (\[.*\])$/m.exec(fs.readFileSync(path.join(root, "Dockerfile"), "utf8"))?.[1] ?? "[]"
  )
  const [first = "", ...flags] = engine
  return spawnSync(first, [...flags, "exec", name, ...check], { stdio: "ignore" }).status === 0
}
const untilReady = async () => {
  for (let tries = 0; tries < 240; tries++) {
    if (ready()) return
    await new Promise((resolve) => setTimeout(resolve, 250))
  }
  assert.fail(logs(name))
}

describe.skipIf(!isWanted)("the image", () => {
  beforeAll(async () => {
    if (process.env["IMAGE"] === undefined) call("build", "--tag", image, root)
    const config = JSON.parse(
      fs.readFileSync(path.join(root, "deploy/config.dev.json"), "utf8").replaceAll("storage:", "127.0.0.1:")
    )
    fs.chmodSync(folder, 0o755)
    fs.writeFileSync(path.join(folder, "config.json"), JSON.stringify(config), { mode: 0o644 })
    const { tenant_id, timeline_id } = config.spec
    call(
      ...[
        "run",
        "--detach",
        "--name",
        storage,
        ...hardened,
        "--no-healthcheck",
        "--network=none",
        "--entrypoint",
        program,
        image,
        "emulate"
      ],
      ...["--port-safekeepers=5454", "--port-pageservers=6400", "--dir=/neon/cache/emulated"],
      ...[`--tenant-id=${tenant_id}`, `--timeline-id=${timeline_id}`]
    )
    for (let tries = 0; tries < 240 && !logs(storage).includes("pgbin"); tries++)
      await new Promise((resolve) => setTimeout(resolve, 250))
    call(
      ...["run", "--detach", "--name", name, ...hardened, "--no-healthcheck", `--network=container:${storage}`],
      ...["--memory=400m", "--volume", `${data}:/var/db/postgres/compute`, "--volume", `${sockets}:/run/postgresql`],
      ...["--volume", `${folder}/config.json:/var/db/postgres/configs/config.json:ro`, image],
      ...["--pgbin=/neon/cache/emulated/bin/postgres", "--pgdata=/var/db/postgres/compute/pgdata"],
      ...["--connstr=postgresql://cloud_admin@localhost:5432/postgres", "--compute-id=compute"],
      "--config=/var/db/postgres/configs/config.json"
    )
    await untilReady()
  }, 900_000)
  afterAll(() => {
    quietly("rm", "--force", name)
    quietly("rm", "--force", storage)
    quietly("volume", "rm", "--force", ...volumes)
    fs.rmSync(folder, { recursive: true, force: true })
  })

  it("keeps to its budget", () => {
    assert.isBelow(Number(call("image", "inspect", "--format", "{{.Size}}", image)), BUDGET)
  })

  it("runs as 999:999 without capabilities", () => {
    assert.strictEqual(inside("echo $(id -u):$(id -g)").trim(), "999:999")
    assert.match(inside("cat /proc/1/status"), /^CapEff:\s+0+$/m)
  })

  it("serves SQL, and does without JIT's library", () => {
    const text = "SET jit = on; SET jit_above_cost = 0; SELECT sum(n) FROM generate_series(1, 1000) n"
    assert.strictEqual(sql(text).split("\n").at(-1), "500500")
  })

  it("holds the program's other name", () => {
    assert.include(inside("fast_import --help"), "Usage: fast_import")
  })

  it("killed, starts again on the same volumes", async () => {
    call("kill", "--signal=KILL", name)
    quietly("wait", name)
    call("start", name)
    await untilReady()
    assert.strictEqual(sql("SELECT 1"), "1")
  })

  it("stops in order and in time", () => {
    call("stop", "--time", String(GRACE), name)
    assert.strictEqual(call("inspect", "--format", "{{.State.ExitCode}}", name).trim(), "1")
    assert.match(logs(name), /database system is shut down/)
  })
})

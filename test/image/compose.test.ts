/**
 * The compose files under podman-compose or docker's compose, where one is installed (pip; Debian 12's own knows no `config`).
 * The images of `compose.yaml` are not pulled: it is read and filled in alone.
 */
import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { freePort } from "../rig/freePort.ts"
import { ensureImage, image, isWanted, root } from "./built.ts"
import { call, environment, isPodman, logs, succeeds, until } from "./engine.ts"

const command = isPodman ? ["podman-compose"] : ["docker", "compose"]
const project = `compose-test-${process.pid}`
const BUILD_TAG = `compose-${process.pid}`

const ports = { HTTP_PORT: "", POSTGRES_PORT: "" }
const compose = (file: string, ...args: ReadonlyArray<string>) => {
  const [program = "", ...flags] = command
  return spawnSync(program, [...flags, "-p", project, "-f", file, ...args], {
    encoding: "utf8",
    env: { ...environment, ...ports, BUILD_TAG },
    timeout: 300_000
  })
}
const dev = path.join(root, "deploy/compose.dev.yaml")
const hasCompose = isWanted && compose(dev, "config").status === 0
if (isWanted && !hasCompose) console.warn("skipped: no podman-compose 1.1 or docker compose, no compose file is run")

const found = (service: string) =>
  call("ps", "--all", "--quiet", "--filter", `name=${project}[-_]${service}`).trim().split("\n")[0] ?? ""

describe.skipIf(!hasCompose)("compose", () => {
  const folder = fs.mkdtempSync(path.join(tmpdir(), "compose-"))
  beforeAll(async () => {
    ports.HTTP_PORT = String(await Effect.runPromise(freePort))
    ports.POSTGRES_PORT = String(await Effect.runPromise(freePort))
    await ensureImage()
    call("tag", image, `compute_ctl:${BUILD_TAG}`)
  }, 900_000)
  afterAll(() => {
    compose(dev, "down", "--volumes")
    succeeds("rmi", `compute_ctl:${BUILD_TAG}`)
    fs.rmSync(folder, { recursive: true, force: true })
  }, 120_000)

  it("runs a compute beside emulated storage, and ends both", async () => {
    const up = compose(dev, "up", "--detach", "--no-build")
    assert.strictEqual(up.status, 0, up.stderr)
    const compute = () => found("compute")
    const isReady = async () => {
      const answer = await fetch(`http://127.0.0.1:${ports.HTTP_PORT}/readyz`).catch(() => undefined)
      return answer?.status === 200
    }
    let ready = false
    for (let tries = 0; tries < 240 && !ready; tries++) {
      ready = await isReady()
      if (!ready) await new Promise((resolve) => setTimeout(resolve, 250))
    }
    assert.isTrue(ready, logs(compute()))
    const said = call("exec", compute(), "psql", "-h", "localhost", "-U", "cloud_admin", "-Atc", "SELECT 1", "app")
    assert.strictEqual(said.trim(), "1")
    const down = compose(dev, "down", "--volumes")
    assert.strictEqual(down.status, 0, down.stderr)
    assert.strictEqual(found("compute"), "")
  })

  it("makes no folder of a configuration that is missing", async () => {
    fs.copyFileSync(path.join(root, "deploy/compose.remote.yaml"), path.join(folder, "compose.yaml"))
    const file = path.join(folder, "compose.yaml")
    const up = compose(file, "up", "--detach", "--no-build")
    const said = `${up.stdout}${up.stderr}`
    await until(
      () => !fs.existsSync(path.join(folder, "config.json")),
      () => "there is a config.json"
    )
    assert.include(said, "config.json", "it is named")
    compose(file, "down", "--volumes")
  })

  it("takes the file of a compute beside real storage, which starts it last", () => {
    const { status, stderr, stdout } = compose(path.join(root, "deploy/compose.yaml"), "config")
    assert.strictEqual(status, 0, stderr)
    for (const service of ["bucket", "broker", "pageserver", "safekeeper1", "safekeeper2", "safekeeper3", "timeline"])
      assert.match(stdout, new RegExp(`^ +${service}:$`, "m"))
    assert.include(stdout, "compute-node-v17:latest")
  })
})

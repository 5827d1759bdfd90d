import { execFile, execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { parseArguments } from "../../src/cli/arguments.ts"
import { Probes } from "../../src/http/api/probes.ts"

const root = path.resolve(import.meta.dirname, "../..")
const into = fs.mkdtempSync(path.join(tmpdir(), "dockerfile-"))
afterAll(() => fs.rmSync(into, { recursive: true, force: true }))

interface Image {
  readonly name: string
  readonly folder: string
  readonly workdir: string
  readonly env: Readonly<Record<string, string>>
  readonly user: string
  readonly ports: ReadonlyArray<number>
  readonly stopSignal: string
  readonly health: ReadonlyArray<string>
  readonly entrypoint: ReadonlyArray<string>
  readonly command: ReadonlyArray<string>
  readonly packages: ReadonlyArray<string>
  readonly accounts: ReadonlyArray<string>
  readonly owners: ReadonlyArray<string>
}

const dryRun = (file: string, folder: string, context = root) =>
  new Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>((resolve) => {
    execFile(
      process.execPath,
      [
        path.join(root, "scripts/dockerfile-dry-run.mjs"),
        ...["--file", file, "--context", context, "--into", folder],
        ...["--node-modules", path.join(root, "node_modules")]
      ],
      { maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code), stdout, stderr })
    )
  })

describe("Dockerfile", () => {
  let image: Image
  beforeAll(async () => {
    const { code, stdout, stderr } = await dryRun(path.join(root, "Dockerfile"), path.join(into, "image"))
    assert.strictEqual(code, 0, stderr)
    image = JSON.parse(stdout.trim().split("\n").at(-1) ?? "")
  }, 240_000)

  it("runs under an init, as an ordinary user, and stops as Postgres should", () => {
    assert.deepStrictEqual(image.entrypoint, ["/usr/bin/tini", "--", "/usr/local/bin/compute_ctl"])
    assert.isTrue(image.packages.some((name) => name.startsWith("tini=")))
    assert.strictEqual(image.user, "999:999")
    assert.isTrue(image.accounts.some((line) => /--uid 999 .* postgres$/.test(line)))
    assert.strictEqual(image.stopSignal, "SIGTERM")
    assert.deepStrictEqual(image.ports, [3080, 3081, 5432])
  })

  it("holds an executable that runs with an empty environment", () => {
    const program = path.join(image.folder, "usr/local/bin/compute_ctl")
    assert.include(execFileSync(program, ["--help"], { env: {}, encoding: "utf8" }), "--pgdata")
    assert.strictEqual(fs.statSync(program).mode & 0o777, 0o755)
  })

  it("holds the program's other name", () => {
    const program = path.join(image.folder, "usr/local/bin/fast_import")
    assert.include(execFileSync(program, ["--help"], { env: {}, encoding: "utf8" }), "Usage: fast_import")
  })

  it("has a command line that the program takes, with paths the account may write", () => {
    const { options } = Result.getOrThrow(parseArguments(image.command, image.env))
    assert.strictEqual(options.pgbin, "/usr/lib/postgresql/15/bin/postgres")
    const owned = image.owners.filter((line) => line.includes("postgres")).join(" ")
    assert.include(owned, ` ${path.dirname(options.pgdata)} `)
    assert.isTrue(fs.statSync(path.join(image.folder, path.dirname(options.pgdata))).isDirectory())
    assert.isTrue(fs.statSync(path.join(image.folder, image.workdir)).isDirectory())
  })

  it("makes no cluster of the package's own", () => {
    const conf = fs.readFileSync(path.join(image.folder, "etc/postgresql-common/createcluster.conf"), "utf8")
    assert.strictEqual(conf, "create_main_cluster = false\n")
  })

  describe("health check", () => {
    /** Its exit code against a server that answers so; null: nobody listens. */
    const check = async (status: number | null) => {
      const asked: Array<string> = []
      const server = createServer((request, response) => {
        asked.push(`${request.method} ${request.url}`)
        response.writeHead(status ?? 500).end()
      })
      await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve))
      const address = server.address()
      const port = String(typeof address === "object" ? address?.port : 0)
      if (status === null) await new Promise((resolve) => server.close(resolve))
      const [program = "", ...args] = image.health.map((word) => word.replace("3080", port))
      const code = await new Promise<number>((resolve) => {
        execFile(program, args, { timeout: 10_000 }, (error) => resolve(error === null ? 0 : Number(error.code)))
      })
      server.close()
      return { code, asked }
    }

    it("passes when the compute is ready", async () => {
      assert.deepStrictEqual(await check(200), { code: 0, asked: [`GET ${Probes.endpoints.readyz.path}`] })
    })
    it("fails when it is not, and when nobody answers", async () => {
      assert.strictEqual((await check(503)).code, 1)
      assert.strictEqual((await check(null)).code, 1)
    })
  })
})

describe("the dry run refuses", () => {
  for (const [what, text, complaint] of [
    ["a base without a tag", "FROM debian", "the version is not pinned"],
    ["the latest base", "FROM debian:latest", "the version is not pinned"],
    ["a base whose tag has no number", "FROM debian:stable-slim", "the version is not pinned"],
    ["a package without a version", "FROM debian:12.1\nRUN apt-get install -y tini", "not pinned: tini"],
    ["a source that is not there", "FROM debian:12.1\nCOPY nothing .", "no such file in the context"],
    ["a source that the ignore file keeps out", "FROM debian:12.1\nCOPY hidden .", "the ignore file keeps it out"],
    ["a stage that is not there", "FROM debian:12.1\nCOPY --from=build /x /x", "there is no such stage"],
    ["a step that fails", "FROM debian:12.1\nRUN false", "RUN false"],
    ["a step that leaves its folder", "FROM debian:12.1\nRUN touch /boot/x", "a path outside of the stage"],
    ["an instruction that it does not know", "FROM debian:12.1\nMAINTAINER me", "unknown instruction"]
  ] as const) {
    it(what, async () => {
      const folder = fs.mkdtempSync(path.join(into, "refused-"))
      fs.writeFileSync(path.join(folder, "Dockerfile"), text)
      fs.writeFileSync(path.join(folder, "hidden"), "")
      fs.writeFileSync(path.join(folder, ".dockerignore"), "*\n!shown\n")
      const { code, stderr } = await dryRun(path.join(folder, "Dockerfile"), path.join(folder, "image"), folder)
      assert.strictEqual(code, 1)
      assert.include(stderr, complaint)
    })
  }
})

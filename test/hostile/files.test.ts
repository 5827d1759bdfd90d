/**
 * What stands in the place of a file that we read: a pipe that nobody writes to, a file of gigabytes, a device.
 */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { runProgram, startCompute } from "../rig/compute.ts"
import { startEmulator, startFakeEmulator } from "../rig/emulator.ts"
import { tempDir } from "../rig/postgres.ts"
import { memory } from "../rig/resources.ts"
import { NET } from "../rig/waits.ts"

const pairs = path.resolve(import.meta.dirname, "../fixtures/tls")

const kinds = {
  "a pipe": {
    put: (file: string) => {
      execFileSync("mkfifo", ["-m", "666", file])
    },
    says: "it is a pipe, not a regular file"
  },
  "a link to a pipe": {
    put: (file: string) => {
      execFileSync("mkfifo", ["-m", "666", `${file}.pipe`])
      fs.symlinkSync(`${path.basename(file)}.pipe`, file)
    },
    says: "it is a pipe, not a regular file"
  },
  "a file of 2 GiB": {
    put: (file: string) => {
      fs.writeFileSync(file, "")
      fs.truncateSync(file, 2 * 1024 ** 3)
    },
    says: "it is larger than"
  },
  "an endless device": {
    put: (file: string) => fs.symlinkSync("/dev/zero", file),
    says: "it is a device, not a regular file"
  }
} as const

const required = [
  "--pgdata",
  "/nowhere/pgdata",
  "--connstr",
  "postgresql://u@127.0.0.1:1/postgres",
  "--compute-id",
  "c"
]

/** How it ends, within a time that a process that waits for a pipe does not keep. */
const ending = (args: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const running = yield* runProgram(args)
    const { code } = yield* Effect.timeout(running.ended, NET)
    return { code, log: running.log() }
  })

describe("in the place of a document", () => {
  for (const [kind, { put, says }] of Object.entries(kinds)) {
    it.live(`${kind} ends the start with an error that names it`, () =>
      Effect.gen(function* () {
        const file = path.join(yield* tempDir("files-"), "document.json")
        put(file)
        for (const flag of ["--config", "--spec-path"]) {
          const { code, log } = yield* ending([...required, flag, file])
          assert.strictEqual(code, 1, log)
          assert.include(log, `${file}: ${says}`)
        }
      })
    )

    it.live(`${kind} ends each verb that reads one`, () =>
      Effect.gen(function* () {
        const file = path.join(yield* tempDir("files-"), "document.json")
        put(file)
        for (const [code, ...args] of [
          [2, "check", "--config", file],
          [2, "conf", "--spec-path", file],
          [1, "plan", "--config", file],
          [2, "status", "--token-file", file],
          [1, "emulate", "--fake-postgres", "--faults", file],
          [1, "emulate", "--fake-postgres", "--spec", file]
        ] as const) {
          const ended = yield* ending(args)
          assert.include(ended.log, `cannot read ${file}: ${says}`)
          assert.strictEqual(ended.code, code, args[0])
        }
      })
    )
  }
})

describe("while a compute runs", () => {
  it.live("a configuration that became a pipe fails the refresh, which names it; the next one works", () =>
    Effect.gen(function* () {
      const emulator = yield* startEmulator()
      const compute = yield* startCompute({ emulator, spec: { skip_pg_catalog_updates: true } })
      yield* compute.waitFor("running")
      const before = fs.readFileSync(compute.configPath)
      fs.rmSync(compute.configPath)
      execFileSync("mkfifo", ["-m", "666", compute.configPath])
      yield* compute.http({ method: "POST", path: "/refresh_configuration", server: "internal" })
      yield* compute.waitForLog(`${compute.configPath}: it is a pipe, not a regular file`)
      assert.strictEqual((yield* compute.http({ path: "/metrics", token: null })).status, 200)
      fs.rmSync(compute.configPath)
      fs.writeFileSync(compute.configPath, before)
      yield* compute.waitFor("running")
      compute.signal("SIGTERM")
      assert.strictEqual((yield* compute.ended).code, 1)
      assert.deepStrictEqual(yield* compute.processes, [])
    })
  )
})

describe("in the place of a key or a certificate", () => {
  for (const [kind, { put, says }] of Object.entries(kinds)) {
    it.live(`${kind} is named and waited for; the API answers and SIGTERM ends it`, () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        const dir = yield* tempDir("files-", true)
        const tls = { key_path: path.join(dir, "tls.key"), cert_path: path.join(dir, "tls.crt") }
        put(tls.key_path)
        fs.copyFileSync(path.join(pairs, "ec.crt"), tls.cert_path)
        const compute = yield* startCompute({ emulator, dir, config: { compute_ctl_config: { tls } } })
        yield* compute.waitForLog(`could not read key file ${tls.key_path}: ${says}`)
        for (let times = 0; times < 5; times++) {
          assert.strictEqual((yield* compute.http({ path: "/livez", token: null })).status, 200)
        }
        assert.isBelow(memory(compute.pid), 400)
        compute.signal("SIGTERM")
        assert.strictEqual((yield* Effect.timeout(compute.ended, NET)).code, 1)
      })
    )
  }

  it.live("links, as secrets are mounted, are as good as files", () =>
    Effect.gen(function* () {
      const emulator = yield* startFakeEmulator()
      const dir = yield* tempDir("files-", true)
      fs.mkdirSync(path.join(dir, "..2026"))
      fs.symlinkSync("..2026", path.join(dir, "..data"))
      for (const [name, from] of [
        ["tls.key", "ec.key"],
        ["tls.crt", "ec.crt"]
      ] as const) {
        fs.copyFileSync(path.join(pairs, from), path.join(dir, "..2026", name))
        fs.symlinkSync(`..data/${name}`, path.join(dir, name))
      }
      const tls = { key_path: path.join(dir, "tls.key"), cert_path: path.join(dir, "tls.crt") }
      const compute = yield* startCompute({
        emulator,
        dir,
        spec: { skip_pg_catalog_updates: true },
        config: { compute_ctl_config: { tls } }
      })
      yield* compute.waitForLog("compute start finished")
    })
  )

  it.live("a pipe that a spec names fails the start, which names it", () =>
    Effect.gen(function* () {
      const emulator = yield* startFakeEmulator()
      const dir = yield* tempDir("files-", true)
      const key = path.join(dir, "key.pem")
      kinds["a pipe"].put(key)
      const compute = yield* startCompute({
        emulator,
        dir,
        spec: {
          databricks_settings: {
            pg_compute_tls_settings: { key_file: key, cert_file: path.join(pairs, "ec.crt"), ca_file: "" },
            databricks_pg_hba: path.join(dir, "hba"),
            databricks_pg_ident: path.join(dir, "ident"),
            databricks_workspace_host: "w"
          }
        }
      })
      yield* compute.waitFor("failed")
      yield* compute.waitForLog(`${key}: it is a pipe, not a regular file`)
    })
  )
})

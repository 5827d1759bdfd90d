import * as childProcess from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterEach, assert, beforeEach, describe, it, vi } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { decodeJson } from "../../../../src/domain/json/decode/Decode.ts"
import { ComputeConfig } from "../../../../src/domain/spec/ComputeConfig.ts"
import type { TlsConfig } from "../../../../src/domain/spec/ComputeSpec.ts"
import { type ParsedSpec, parseSpec } from "../../../../src/domain/spec/ParsedSpec.ts"
import { type ComputeOptions, MachineConfig, Options } from "../../../../src/layers/compute/Options.ts"
import { Account, type PostgresAccount } from "../../../../src/layers/machine/Account.ts"
import { Certificates } from "../../../../src/layers/neighbours/Certificates.ts"
import { DataDirectory } from "../../../../src/layers/postgres/dataDirectory/DataDirectory.ts"

const fixtures = path.join(import.meta.dirname, "../../../fixtures/tls")
const isRoot = process.getuid?.() === 0
const HBA = "host\tall\t\tall\t\tall\t\tmd5"

let root: string
let pgdata: string
beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), "datadir-"))
  fs.chmodSync(root, 0o755)
  pgdata = path.join(root, "pgdata")
})
afterEach(() => fs.rmSync(root, { recursive: true, force: true }))

const spec = (members: object = {}): ParsedSpec => {
  const text = JSON.stringify({
    spec: {
      format_version: 1,
      suspend_timeout_seconds: -1,
      cluster: { roles: [], databases: [] },
      tenant_id: "1f7e3c2a9b0d4e5f8a6b7c8d9e0f1a2b",
      timeline_id: "8c5d2e1f0a9b4c3d7e6f5a4b3c2d1e0f",
      pageserver_connstring: "host=ps",
      safekeeper_connstrings: ["a:1"],
      ...members
    },
    compute_ctl_config: { jwks: { keys: [] } }
  })
  const decoded = Result.getOrThrow(decodeJson(ComputeConfig, text)).spec
  if (decoded === null) throw new Error("no spec")
  return Result.getOrThrow(parseSpec(decoded))
}

const options = (changed: Partial<ComputeOptions>): ComputeOptions => ({
  pgbin: "postgres",
  pgdata,
  connstr: "postgresql://cloud_admin@localhost:55432/postgres",
  computeId: "compute",
  configPath: null,
  controlPlaneUri: null,
  controlPlaneToken: Redacted.make(""),
  remoteExtBaseUrl: null,
  externalHttpPort: 3080,
  internalHttpPort: 3081,
  internalHttpHosts: [],
  privilegedRole: "neon_superuser",
  cgroup: "",
  filecacheConnstr: "",
  vmMonitorAddr: "",
  resizeSwapOnBind: false,
  setDiskQuotaForFs: null,
  installedExtensionsInterval: 3600,
  dev: false,
  lakebaseMode: false,
  pgInitTimeout: 60,
  logFormat: "text",
  isVm: false,
  instanceId: null,
  buildTag: "latest",
  ...changed
})

interface Machine {
  readonly tls?: TlsConfig
  readonly account?: PostgresAccount | null
  readonly options?: Partial<ComputeOptions>
}

const within = <A, E, R>(
  machine: Machine,
  use: (directory: typeof DataDirectory.Service) => Effect.Effect<A, E, R>
) => {
  const config = Layer.succeed(MachineConfig, { jwks: { keys: [] }, tls: machine.tls ?? null })
  return Effect.flatMap(DataDirectory, use).pipe(
    Effect.provide(DataDirectory.layer),
    Effect.provide(Certificates.layer),
    Effect.provide(config),
    Effect.provide(Layer.succeed(Options, options(machine.options ?? {}))),
    Effect.provide(Layer.succeed(Account, { postgres: machine.account ?? null }))
  )
}

const inside = (name: string) => path.join(pgdata, name)
const read = (name: string) => fs.readFileSync(inside(name), "utf8")
const mode = (name: string) => fs.statSync(inside(name)).mode & 0o777

describe("create", () => {
  it.effect("makes an empty directory for its owner alone, whatever was there", () =>
    within({}, (directory) =>
      Effect.gen(function* () {
        fs.mkdirSync(inside("base/1"), { recursive: true })
        fs.writeFileSync(inside("base/1/2"), "x")
        const elsewhere = path.join(root, "shm")
        fs.mkdirSync(elsewhere)
        fs.writeFileSync(path.join(elsewhere, "kept"), "")
        fs.symlinkSync(`${elsewhere}/`, inside("pg_dynshmem"))
        yield* directory.create
        assert.deepStrictEqual(fs.readdirSync(pgdata), [])
        assert.strictEqual(mode(""), 0o700)
        assert.deepStrictEqual(fs.readdirSync(elsewhere), ["kept"])
      })
    )
  )

  it.live("stops nothing else while it removes what was there", () =>
    within({}, (directory) =>
      Effect.gen(function* () {
        fs.mkdirSync(inside("base"), { recursive: true })
        for (let file = 0; file < 2000; file += 1) fs.writeFileSync(inside(`base/${file}`), "")
        let turns = 0
        let timer = setImmediate(function turn() {
          turns += 1
          timer = setImmediate(turn)
        })
        yield* Effect.ensuring(
          directory.create,
          Effect.sync(() => clearImmediate(timer))
        )
        assert.deepStrictEqual(fs.readdirSync(pgdata), [])
        // Without that there are a few.
        assert.isAbove(turns, 100)
      })
    )
  )

  it.effect("names a parent that does not exist, and leaves a file alone", () =>
    Effect.gen(function* () {
      const nowhere = path.join(root, "a/b")
      const missing = yield* within({ options: { pgdata: nowhere } }, (directory) => Effect.flip(directory.create))
      assert.include(
        missing.message,
        `${nowhere}: cannot be created: its parent directory ${path.join(root, "a")} does not exist`
      )
      fs.writeFileSync(pgdata, "mine")
      const file = yield* within({}, (directory) => Effect.flip(directory.create))
      assert.include(file.message, "is not a directory")
      assert.strictEqual(fs.readFileSync(pgdata, "utf8"), "mine")
    })
  )

  it.effect.runIf(isRoot)("gives everything to the account of Postgres", () =>
    within({ account: { uid: 65534, gid: 65534, name: "nobody" } }, (directory) =>
      Effect.gen(function* () {
        yield* directory.create
        yield* directory.writeConf(spec())
        fs.mkdirSync(inside("pg_dynshmem"))
        yield* directory.finish(spec({ mode: "Replica" }))
        for (const name of ["", "postgresql.conf", "pg_hba.conf", "pg_dynshmem", "standby.signal"]) {
          assert.deepStrictEqual([name, fs.lstatSync(inside(name)).uid], [name, 65534])
        }
      })
    )
  )
})

describe.runIf(process.platform === "linux")("a postmaster left behind", () => {
  /** Not a Postgres, but for its program's name and its working directory. */
  const leave = (place: "in the data directory" | "elsewhere") =>
    Effect.acquireRelease(
      Effect.promise(async () => {
        const program = path.join(root, "postgres")
        fs.copyFileSync("/bin/sh", program)
        fs.mkdirSync(pgdata)
        const child = childProcess.spawn(program, ["-c", "echo up; while :; do sleep 0.05; done"], {
          cwd: place === "elsewhere" ? root : pgdata,
          stdio: ["ignore", "pipe", "ignore"]
        })
        fs.writeFileSync(inside("postmaster.pid"), `${child.pid}\n${pgdata}\n`)
        await new Promise((resolve) => child.stdout.once("data", resolve))
        return child
      }),
      (child) => Effect.sync(() => child.kill("SIGKILL"))
    )

  it.live("is stopped before its files are removed", () =>
    within({}, (directory) =>
      Effect.gen(function* () {
        const left = yield* leave("in the data directory")
        yield* directory.create
        // Its end is told a moment after it: this process is its parent.
        yield* Effect.promise(() => vi.waitFor(() => assert.isNotNull(left.signalCode ?? left.exitCode)))
        assert.deepStrictEqual(fs.readdirSync(pgdata), [])
      })
    )
  )

  it.live("is not confused with another process that has its number now", () =>
    within({}, (directory) =>
      Effect.gen(function* () {
        const other = yield* leave("elsewhere")
        yield* directory.create
        assert.isTrue(process.kill(other.pid ?? 0, 0))
      })
    )
  )

  it.live("has its lock beside the socket taken away, whoever has its number now, and no other's", () =>
    within({}, (directory) =>
      Effect.gen(function* () {
        const lock = (port: number) => path.join(root, `.s.PGSQL.${port}.lock`)
        const text = (started: number, port: number) => `${process.pid}\n${pgdata}\n${started}\n${port}\n${root}\n`
        fs.mkdirSync(pgdata)
        fs.writeFileSync(inside("postmaster.pid"), `${text(1700000000, 5432)}127.0.0.1\n  5432001  0\nready   \n`)
        fs.writeFileSync(lock(5432), text(1700000000, 5432))
        fs.writeFileSync(lock(5433), text(1700000000, 5433))
        yield* directory.create
        assert.isFalse(fs.existsSync(lock(5432)))
        assert.isTrue(fs.existsSync(lock(5433)))
        // The same place and number, and somebody else.
        fs.writeFileSync(inside("postmaster.pid"), text(1700000000, 5432))
        fs.writeFileSync(lock(5432), text(1700000001, 5432))
        yield* directory.create
        assert.isTrue(fs.existsSync(lock(5432)))
      })
    )
  )
})

describe("writeConf", () => {
  it.effect("says whether the text changed, and leaves nothing else behind", () =>
    within({}, (directory) =>
      Effect.gen(function* () {
        yield* directory.create
        assert.isTrue(yield* directory.writeConf(spec()))
        assert.isFalse(yield* directory.writeConf(spec()))
        assert.isTrue(yield* directory.writeConf(spec({ project_id: "p" })))
        assert.isTrue(yield* directory.writeConf(spec({ project_id: "p" }), "work_mem=1MB"))
        assert.match(read("postgresql.conf"), /\nwork_mem=1MB$/)
        assert.isFalse(yield* directory.writeConf(spec({ project_id: "p" }), "work_mem=1MB"))
        assert.deepStrictEqual(fs.readdirSync(pgdata), ["postgresql.conf"])
        assert.include(read("postgresql.conf"), "neon.project_id='p'\n")
        assert.include(read("postgresql.conf"), "neon.extension_server_port=3081\n")
      })
    )
  )

  it.effect("can be asked beforehand what it would change, and writes nothing then", () =>
    within({}, (directory) =>
      Effect.gen(function* () {
        yield* directory.create
        assert.deepStrictEqual(yield* directory.confChanges(spec({ project_id: "p" })), [])
        yield* directory.writeConf(spec())
        assert.deepStrictEqual(yield* directory.confChanges(spec()), [])
        assert.deepStrictEqual(yield* directory.confChanges(spec({ project_id: "p" })), [
          { what: "neon.project_id", from: null, to: "p", taken_by: "restart" }
        ])
        assert.isFalse(yield* directory.writeConf(spec()))
      })
    )
  )

  it.effect("takes the port of our own connection string in lakebase mode", () =>
    within({ options: { lakebaseMode: true } }, (directory) =>
      Effect.gen(function* () {
        yield* directory.create
        yield* directory.writeConf(spec())
        assert.include(read("postgresql.conf"), "port = 55432\n# Databricks settings start\n")
      })
    )
  )

  it.effect("copies the key pair for its owner alone, and again when it was renewed", () => {
    const tls = { key_path: path.join(root, "tls.key"), cert_path: path.join(root, "tls.crt") }
    const give = (name: string) => {
      fs.copyFileSync(path.join(fixtures, `${name}.key`), tls.key_path)
      fs.copyFileSync(path.join(fixtures, `${name}.crt`), tls.cert_path)
    }
    return within({ tls }, (directory) =>
      Effect.gen(function* () {
        give("ec")
        yield* directory.create
        yield* directory.writeConf(spec())
        assert.isFalse(fs.existsSync(inside("server.key")))
        const on = spec({ features: ["tls_experimental"] })
        assert.isTrue(yield* directory.writeConf(on))
        assert.strictEqual(read("server.key"), fs.readFileSync(tls.key_path, "utf8"))
        assert.deepStrictEqual([mode("server.key"), mode("server.crt")], [0o600, 0o600])
        assert.include(read("postgresql.conf"), "ssl = on\n")
        assert.isFalse(yield* directory.writeConf(on))
        give("ec-renewed")
        assert.isTrue(yield* directory.writeConf(on))
        assert.strictEqual(read("server.crt"), fs.readFileSync(tls.cert_path, "utf8"))
      })
    )
  })

  it.effect("names the setting that no file can carry", () =>
    within({}, (directory) =>
      Effect.gen(function* () {
        yield* directory.create
        const parsed = spec()
        const settings = [{ name: "jit", value: "on\nfsync = off", vartype: "bool" }]
        const error = yield* Effect.flip(
          directory.writeConf({ ...parsed, spec: { ...parsed.spec, cluster: { ...parsed.spec.cluster, settings } } })
        )
        assert.include(error.message, 'setting "jit"')
      })
    )
  )
})

describe("ensureConfLine and writeOverride", () => {
  it.effect("append once, and lift", () =>
    within({}, (directory) =>
      Effect.gen(function* () {
        yield* directory.create
        fs.writeFileSync(inside("postgresql.conf"), "a=1\n")
        assert.isTrue(yield* directory.ensureConfLine("b=2"))
        assert.isFalse(yield* directory.ensureConfLine("b=2"))
        assert.strictEqual(read("postgresql.conf"), "a=1\n\nb=2")
        yield* directory.writeOverride("neon.max_cluster_size=-1")
        assert.strictEqual(read("compute_ctl_temp_override.conf"), "neon.max_cluster_size=-1")
        yield* directory.writeOverride("")
        assert.strictEqual(fs.statSync(inside("compute_ctl_temp_override.conf")).size, 0)
      })
    )
  )
})

describe("finish", () => {
  const basebackup = (version = "15") => {
    fs.mkdirSync(inside("pg_dynshmem"), { recursive: true })
    fs.writeFileSync(inside("pg_dynshmem/x"), "")
    fs.writeFileSync(inside("PG_VERSION"), `${version}\n`)
    fs.writeFileSync(inside("pg_hba.conf"), "local all all trust\n")
    fs.writeFileSync(inside("pg_ident.conf"), "")
  }

  it.effect("prepares a primary, the same way each time", () =>
    within({}, (directory) =>
      Effect.gen(function* () {
        basebackup()
        fs.writeFileSync(inside("zenith.signal"), "PREV LSN: 0/1")
        yield* directory.finish(spec())
        yield* directory.finish(spec())
        assert.strictEqual(read("pg_hba.conf"), `local all all trust\n\n${HBA}`)
        assert.strictEqual(read("neon.signal"), "PREV LSN: 0/1")
        if (fs.existsSync("/dev/shm/")) assert.strictEqual(fs.readlinkSync(inside("pg_dynshmem")), "/dev/shm/")
        assert.isFalse(fs.existsSync(inside("standby.signal")))
      })
    )
  )

  it.effect("makes a static compute a standby", () =>
    within({}, (directory) =>
      Effect.gen(function* () {
        basebackup()
        yield* directory.finish(spec({ mode: { Static: "0/1" } }))
        assert.strictEqual(read("standby.signal"), "")
      })
    )
  )

  for (const [version, hba] of [
    ["16", `include_if_exists /x/hba\nlocal all all trust\n\n${HBA}`],
    ["15", `local all all trust\n\n${HBA}`]
  ] as const) {
    it.effect(`installs Databricks certificates and includes on ${version}`, () => {
      const key_file = path.join(root, "db.key")
      const cert_file = path.join(root, "db.crt")
      const databricks_settings = {
        pg_compute_tls_settings: { key_file, cert_file, ca_file: "/ca" },
        databricks_pg_hba: "/x/hba",
        databricks_pg_ident: "/x/ident",
        databricks_workspace_host: "w"
      }
      return within({}, (directory) =>
        Effect.gen(function* () {
          basebackup(version)
          fs.writeFileSync(key_file, "key")
          fs.writeFileSync(cert_file, "cert")
          yield* directory.finish(spec({ databricks_settings }))
          fs.writeFileSync(key_file, "renewed")
          yield* directory.finish(spec({ databricks_settings }))
          assert.deepStrictEqual([read("db.key"), read("db.crt"), mode("db.key")], ["renewed", "cert", 0o600])
          assert.strictEqual(read("pg_hba.conf"), hba)
          assert.strictEqual(read("pg_ident.conf"), version === "16" ? "include_if_exists /x/ident\n" : "")
        })
      )
    })
  }

  it.effect("names the file that is missing", () =>
    within({}, (directory) =>
      Effect.gen(function* () {
        basebackup()
        const pg_compute_tls_settings = { key_file: "/nowhere/k", cert_file: "/nowhere/c", ca_file: "/ca" }
        const databricks_settings = {
          pg_compute_tls_settings,
          databricks_pg_hba: "h",
          databricks_pg_ident: "i",
          databricks_workspace_host: "w"
        }
        const error = yield* Effect.flip(directory.finish(spec({ databricks_settings })))
        assert.strictEqual(error.message, "/nowhere/k: ENOENT: no such file or directory")
      })
    )
  )
})

describe("coreDumps", () => {
  it.effect("are found by name", () =>
    within({}, (directory) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(yield* directory.coreDumps, [])
        fs.mkdirSync(pgdata)
        for (const name of ["core", "core.12", "corey", "score"]) fs.writeFileSync(inside(name), "")
        assert.deepStrictEqual([...(yield* directory.coreDumps)].sort(), [inside("core"), inside("core.12")])
      })
    )
  )
})

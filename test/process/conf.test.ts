/**
 * `postgresql.conf` and the TLS key pair as the built program writes them.
 */
import { createPrivateKey, X509Certificate } from "node:crypto"
import * as fs from "node:fs"
import { connect } from "node:net"
import * as path from "node:path"
import { connect as secure } from "node:tls"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Compute, runProgram, startCompute } from "../rig/compute.ts"
import { startEmulator, startFakeEmulator } from "../rig/emulator.ts"
import { freePorts } from "../rig/freePort.ts"
import { tempDir } from "../rig/postgres.ts"
import { merge } from "../rig/spec.ts"
import { jwks } from "../rig/tokens.ts"
import { eventually, LIMIT, NET } from "../rig/waits.ts"

const folder = path.join(import.meta.dirname, "../golden/conf")
const pairs = path.join(import.meta.dirname, "../fixtures/tls")

interface Recorded {
  readonly case: {
    readonly spec: object
    readonly args?: ReadonlyArray<string>
    readonly env?: Readonly<Record<string, string>>
    readonly tls?: boolean
    /** Writes outside of the data directory. */
    readonly fails?: boolean
  }
  readonly result: string
}

const recordings = fs.readdirSync(folder).map((file) => {
  const recorded: Recorded = JSON.parse(fs.readFileSync(path.join(folder, file), "utf8"))
  return { name: file.replace(".json", ""), recorded }
})

const configOf = ({ case: { spec, tls } }: Recorded) => ({
  spec,
  compute_ctl_config: {
    jwks: jwks(),
    ...(tls === true && { tls: { key_path: path.join(pairs, "ec.key"), cert_path: path.join(pairs, "ec.crt") } })
  }
})

const appears = (file: string, log: () => string): Effect.Effect<string, Error> => {
  const poll: Effect.Effect<string> = Effect.suspend(() =>
    fs.existsSync(file) ? Effect.succeed(fs.readFileSync(file, "utf8")) : Effect.delay(poll, 10)
  )
  return poll.pipe(
    Effect.timeoutOrElse({ duration: NET, orElse: () => Effect.fail(new Error(`no ${file}\n${log()}`)) })
  )
}

describe("postgresql.conf, byte for byte as recorded,", () => {
  it.live(
    "is printed by compute_ctl conf",
    () =>
      Effect.gen(function* () {
        const dir = yield* tempDir("conf-")
        const printed = ({ name, recorded }: (typeof recordings)[0]) =>
          Effect.gen(function* () {
            const file = path.join(dir, `${name}.json`)
            fs.writeFileSync(file, JSON.stringify(configOf(recorded)))
            const { args = [] } = recorded.case
            const flags = args.includes("--lakebase-mode")
              ? ["--lakebase-connstr", "postgresql://cloud_admin@localhost:55432/postgres"]
              : args
            const run = yield* runProgram(["conf", "--config", file, "--internal-http-port", "4242", ...flags])
            const { code } = yield* run.ended
            assert.strictEqual(code, 0, `${name}: ${run.log()}`)
            assert.strictEqual(run.stdout(), recorded.result.replaceAll("INTERNAL_PORT", "4242"), name)
            // Postgres would not start with it.
            if (name === "option-null-value") assert.include(run.log(), 'setting "jit": there is no value')
          })
        yield* Effect.forEach(recordings, printed, { concurrency: 2, discard: true })
      }),
    LIMIT
  )

  it.live(
    "is written by a start",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        const written = ({ name, recorded }: (typeof recordings)[0]) =>
          Effect.gen(function* () {
            const dir = yield* tempDir("conf-")
            const config = path.join(dir, "config.json")
            const pgdata = path.join(dir, "pgdata")
            fs.writeFileSync(config, JSON.stringify(configOf(recorded)))
            const [external, internal] = yield* freePorts(2)
            const run = yield* runProgram([
              ...["--pgbin", emulator.addresses.pgbin, "--pgdata", pgdata, "--compute-id", "conf", "--config", config],
              ...["--connstr", "postgresql://cloud_admin@127.0.0.1:55432/postgres"],
              ...["--external-http-port", String(external), "--internal-http-port", String(internal)],
              ...(recorded.case.args ?? [])
            ])
            const text = yield* appears(path.join(pgdata, "postgresql.conf"), run.log)
            assert.strictEqual(text, recorded.result.replaceAll("INTERNAL_PORT", String(internal)), name)
            if (text.includes("ssl = on")) {
              const key = path.join(pgdata, "server.key")
              assert.strictEqual(fs.statSync(key).mode & 0o777, 0o600)
              for (const [copy, from] of [
                ["server.key", "ec.key"],
                ["server.crt", "ec.crt"]
              ] as const) {
                const bytes = fs.readFileSync(path.join(pgdata, copy))
                assert.isTrue(bytes.equals(fs.readFileSync(path.join(pairs, from))))
              }
            } else assert.isFalse(fs.existsSync(path.join(pgdata, "server.key")), name)
            run.signal("SIGTERM")
            yield* run.ended
          }).pipe(Effect.scoped)
        // Log shipping writes to the machine's own folders.
        const here = recordings.filter(
          ({ recorded }) => recorded.case.fails !== true && recorded.case.env === undefined
        )
        assert.isAbove(here.length, 20)
        yield* Effect.forEach(here, written, { concurrency: 2, discard: true })
      }),
    LIMIT
  )
})

describe("a setting", () => {
  it.live(
    "that Postgres would not read is refused by its name: a start never tries it, a running compute never writes it",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        const jit = { cluster: { settings: [{ name: "jit", value: null, vartype: "bool" }] } }
        const empty = yield* startCompute({ emulator, spec: jit })
        const failed = yield* empty.waitFor("failed")
        assert.strictEqual(failed["error"], 'setting "jit": there is no value')
        const broken = { cluster: { settings: [{ name: "fsync", value: "off\nport = 1", vartype: "bool" }] } }
        const smuggling = yield* startCompute({ emulator, spec: broken })
        assert.strictEqual((yield* smuggling.ended).code, 1)
        assert.include(smuggling.log(), 'setting "fsync": a value of type bool cannot contain a line break')
        for (const { log } of [empty, smuggling]) assert.notInclude(log(), "PG:")

        const running = yield* startCompute({ emulator, spec: { skip_pg_catalog_updates: true } })
        yield* running.waitFor("running")
        const before = fs.readFileSync(path.join(running.pgdata, "postgresql.conf"), "utf8")
        const answer = yield* running.configure(merge(running.spec, jit))
        assert.strictEqual(answer.status, 500, answer.body)
        assert.include(answer.body, "there is no value")
        assert.strictEqual(fs.readFileSync(path.join(running.pgdata, "postgresql.conf"), "utf8"), before)
      }),
    LIMIT
  )
})

/** Puts a pair where the config names it, as a mounted secret is renewed: both at once, by the rename of a link. */
const mount = (dir: string, kind: string) => {
  const version = fs.mkdtempSync(path.join(dir, `..${kind}-`))
  fs.copyFileSync(path.join(pairs, `${kind}.key`), path.join(version, "tls.key"))
  fs.copyFileSync(path.join(pairs, `${kind}.crt`), path.join(version, "tls.crt"))
  fs.symlinkSync(version, path.join(dir, "..data_tmp"))
  fs.renameSync(path.join(dir, "..data_tmp"), path.join(dir, "..data"))
  for (const file of ["tls.key", "tls.crt"]) {
    if (!fs.existsSync(path.join(dir, file))) fs.symlinkSync(path.join("..data", file), path.join(dir, file))
  }
}

/** What Postgres shows to a client that asks for TLS. */
const presented = (port: number): Effect.Effect<X509Certificate, Error> =>
  Effect.callback((resume) => {
    const socket = connect(port, "127.0.0.1", () => socket.write(Buffer.from([0, 0, 0, 8, 4, 210, 22, 47])))
    socket.on("error", (error) => resume(Effect.fail(error)))
    socket.once("data", (answer) => {
      if (answer.toString() !== "S") return resume(Effect.fail(new Error(`no TLS: ${answer}`)))
      const tls = secure({ socket, rejectUnauthorized: false }, () => {
        const shown = tls.getPeerX509Certificate()
        resume(shown === undefined ? Effect.fail(new Error("no certificate")) : Effect.succeed(shown))
        tls.destroy()
      })
      tls.on("error", (error) => resume(Effect.fail(error)))
    })
    return Effect.sync(() => socket.destroy())
  })

const fixture = (kind: string) => new X509Certificate(fs.readFileSync(path.join(pairs, `${kind}.crt`)))

const withTls = (dir: string, kind: string) =>
  Effect.gen(function* () {
    mount(dir, kind)
    const emulator = yield* startEmulator()
    return yield* startCompute({
      emulator,
      spec: { features: ["tls_experimental"], skip_pg_catalog_updates: true },
      config: {
        compute_ctl_config: { tls: { key_path: path.join(dir, "tls.key"), cert_path: path.join(dir, "tls.crt") } }
      }
    })
  })

const reconfigurations = (compute: Compute) => compute.log().split("TLS certificate has changed").length - 1

describe("a TLS key pair", () => {
  it.live(
    "of any kind is served by Postgres",
    () =>
      Effect.gen(function* () {
        const dir = yield* tempDir("tls-")
        // The same key in the other form of PEM.
        const pkcs8 = createPrivateKey(fs.readFileSync(path.join(pairs, "ec.key"))).export({
          type: "pkcs8",
          format: "pem"
        })
        for (const kind of ["rsa", "p384", "ed25519", "ec"]) {
          const own = path.join(dir, kind)
          fs.mkdirSync(own, { mode: 0o755 })
          const compute = yield* withTls(own, kind)
          if (kind === "ec") fs.writeFileSync(path.join(own, "..data", "tls.key"), pkcs8)
          yield* compute.waitFor("running")
          assert.strictEqual((yield* presented(compute.ports.postgres)).fingerprint256, fixture(kind).fingerprint256)
          assert.strictEqual(fs.statSync(path.join(compute.pgdata, "server.key")).mode & 0o777, 0o600)
          compute.signal("SIGTERM")
          yield* compute.ended
        }
      }),
    LIMIT
  )

  it.live(
    "whose halves do not match is waited for, and nothing of it is copied",
    () =>
      Effect.gen(function* () {
        const dir = yield* tempDir("tls-")
        fs.chmodSync(dir, 0o755)
        mount(dir, "ec")
        fs.copyFileSync(path.join(pairs, "ec-renewed.key"), path.join(dir, "..data", "tls.key"))
        const emulator = yield* startEmulator()
        const compute = yield* startCompute({
          emulator,
          spec: { features: ["tls_experimental"], skip_pg_catalog_updates: true },
          config: {
            compute_ctl_config: { tls: { key_path: path.join(dir, "tls.key"), cert_path: path.join(dir, "tls.crt") } }
          }
        })
        yield* compute.waitForLog("private key file does not match certificate")
        assert.isFalse(fs.existsSync(path.join(compute.pgdata, "server.key")))
        assert.strictEqual((yield* compute.status)?.["status"], "init")
        mount(dir, "ec-renewed")
        yield* compute.waitFor("running")
        assert.strictEqual(
          (yield* presented(compute.ports.postgres)).fingerprint256,
          fixture("ec-renewed").fingerprint256
        )
      }),
    LIMIT
  )

  it.live(
    "that is renewed reaches Postgres by one reconfiguration; the same again by none",
    () =>
      Effect.gen(function* () {
        const dir = yield* tempDir("tls-")
        fs.chmodSync(dir, 0o755)
        const compute = yield* withTls(dir, "ec")
        yield* compute.waitFor("running")
        yield* Effect.sleep("1 second")
        assert.strictEqual(reconfigurations(compute), 0)
        const postmaster = fs.readFileSync(path.join(compute.pgdata, "postmaster.pid"), "utf8").split("\n")[0]
        mount(dir, "ec-renewed")
        yield* compute.waitForLog("finished reconfiguration")
        yield* compute.waitFor("running")
        // The signal is seen by the postmaster, which then takes the new pair for the next connection.
        const renewed = fixture("ec-renewed").fingerprint256
        yield* eventually(
          "the new certificate",
          presented(compute.ports.postgres),
          ({ fingerprint256 }) => fingerprint256 === renewed
        )
        mount(dir, "ec-renewed")
        yield* Effect.sleep("1 second")
        assert.strictEqual(reconfigurations(compute), 1)
        assert.strictEqual(
          fs.readFileSync(path.join(compute.pgdata, "postmaster.pid"), "utf8").split("\n")[0],
          postmaster
        )
      }),
    LIMIT
  )
})

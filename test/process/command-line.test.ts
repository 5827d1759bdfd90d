import { spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { program, runProgram, startCompute } from "../rig/compute.ts"
import { startEmulator, startFakeEmulator } from "../rig/emulator.ts"
import { freePorts } from "../rig/freePort.ts"
import { tempDir } from "../rig/postgres.ts"
import { makeSpec } from "../rig/spec.ts"
import { LIMIT, NET, until } from "../rig/waits.ts"

interface Recorded {
  readonly name: string
  readonly args: ReadonlyArray<string>
  readonly exit: number | "serves" | "nonzero"
}

const recorded: ReadonlyArray<Recorded> = JSON.parse(
  fs.readFileSync(new URL("../golden/cli.json", import.meta.url), "utf8")
)

const PORT_FLAGS = ["--external-http-port", "--internal-http-port", "--http-port"]
/** It serves when both servers listen and an empty compute waits for a spec; who does not, ends before. */
const SERVES = [/external HTTP server listening/, /internal HTTP server listening/, /no compute spec provided, waiting/]

const outcome = ({ args }: Recorded) =>
  Effect.gen(function* () {
    const emulator = yield* startFakeEmulator()
    const dir = yield* tempDir("cli-")
    const [external = 0, internal = 0, port = 0, vm = 0] = yield* freePorts(4)
    const file = (name: string, text: string) => {
      const place = path.join(dir, name)
      fs.writeFileSync(place, text)
      return place
    }
    const values: Readonly<Record<string, string>> = {
      PGDATA: path.join(dir, "pgdata"),
      PGBIN: emulator.addresses.pgbin,
      CONFIG: file("config.json", '{"spec":null,"compute_ctl_config":{"jwks":{"keys":[]}}}'),
      EMPTY: file("empty.json", ""),
      DIR: dir,
      MISSING: path.join(dir, "missing.json"),
      HP: String(port),
      "0.0.0.0:1": `127.0.0.1:${vm}`
    }
    const filled = args.map((arg) => {
      const glued = /^(-[Dbc])(PGDATA|PGBIN|CONFIG)$/.exec(arg)
      return glued === null ? (values[arg] ?? arg) : `${glued[1]}${values[glued[2] ?? ""]}`
    })
    const namesPort = args.some((arg) => PORT_FLAGS.includes(arg)) || args.length === 0
    const ports = namesPort ? [] : ["--external-http-port", String(external), "--internal-http-port", String(internal)]
    const running = yield* runProgram([...filled, ...(args.includes("--help") || args.includes("-h") ? [] : ports)])
    const serves = until("it to serve or to end", () => SERVES.every((line) => line.test(running.log())))
    const code = yield* Effect.raceFirst(
      Effect.map(running.ended, (ended) => ended.code),
      Effect.as(serves, "serves" as const)
    )
    return { code, log: running.log() }
  }).pipe(Effect.scoped)

describe("recorded command lines", () => {
  for (const one of recorded) {
    it.live(
      one.name,
      () =>
        Effect.gen(function* () {
          const { code, log } = yield* outcome(one)
          if (one.exit === "nonzero") assert.isTrue(typeof code === "number" && code > 0, `${code}: ${log}`)
          else assert.strictEqual(code, one.exit, log)
        }),
      LIMIT
    )
  }
})

describe("a bad configuration", () => {
  it.live("is reported once, whether there is a log or not", () =>
    Effect.gen(function* () {
      const emulator = yield* startFakeEmulator()
      const dir = yield* tempDir("bad-")
      const file = path.join(dir, "config.json")
      fs.writeFileSync(file, '{"spec":{},"compute_ctl_config":{"jwks":{"keys":[]}}}')
      const args = [
        ...["-D", path.join(dir, "pgdata"), "-C", "postgresql://cloud_admin@127.0.0.1:55432/postgres", "-i", "c"],
        ...["-b", emulator.addresses.pgbin, "-c", file]
      ]
      for (const RUST_LOG of ["info", "off"]) {
        const running = yield* runProgram(args, { env: { RUST_LOG } })
        assert.strictEqual((yield* running.ended).code, 1)
        assert.lengthOf(running.log().match(/missing field `cluster`/g) ?? [], 1, running.log())
      }
    })
  )
})

describe("the program", () => {
  it.live(
    "starts without PATH and HOME",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const compute = yield* startCompute({ emulator, env: { PATH: "" } })
        yield* compute.waitFor("running")
        compute.signal("SIGTERM")
        assert.strictEqual((yield* compute.ended).code, 1)
      }),
    LIMIT
  )

  it.live("runs under another name, without any environment", () =>
    Effect.gen(function* () {
      const [command = "", ...leading] = program()
      const dir = yield* tempDir("renamed-")
      const link = path.join(dir, "another-name")
      fs.symlinkSync(command, link)
      const { status, stdout } = spawnSync(link, [...leading, "--help"], { env: {}, argv0: "postgres-supervisor" })
      assert.strictEqual(status, 0)
      assert.include(String(stdout), "Usage: compute_ctl")
    })
  )

  it.live(
    "takes a bare spec by the old form, and says how to give keys",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const dir = yield* tempDir("old-form-")
        const [external = 0, internal = 0, postgres = 0] = yield* freePorts(3)
        const socketDir = yield* tempDir("old-form-socket-", true)
        const specFile = path.join(dir, "spec.json")
        fs.writeFileSync(specFile, JSON.stringify(makeSpec(emulator.addresses, { port: postgres, socketDir })))
        const running = yield* runProgram([
          ...["-D", path.join(dir, "pgdata"), "-C", `postgresql://cloud_admin@127.0.0.1:${postgres}/postgres`],
          ...["-S", specFile, "-b", emulator.addresses.pgbin],
          ...["--external-http-port", String(external), "--internal-http-port", String(internal)]
        ])
        yield* Effect.timeout(running.written("compute start finished"), NET)
        assert.match(running.log(), /compute_ctl_config\.jwks/)
        const answer = yield* Effect.promise(() =>
          fetch(`http://127.0.0.1:${external}/status`, { headers: { authorization: "Bearer x.y.z" } })
        )
        assert.strictEqual(answer.status, 401)
        running.signal("SIGTERM")
        assert.strictEqual((yield* running.ended).code, 1)
      }),
    LIMIT
  )
})

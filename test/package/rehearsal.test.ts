/**
 * The heap that the executable starts from, made anew beside a rehearsal as the build makes it.
 */
import { execFileSync, spawnSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { trimCodeCache } from "../../scripts/codeCache.mjs"
import { builderFlags, heapFlags, rehearse } from "../../scripts/rehearsal/conductor.mjs"
import { startCompute } from "../rig/compute.ts"
import { startEmulator } from "../rig/emulator.ts"
import { root } from "../rig/postgres.ts"

const dir = fs.mkdtempSync(path.join(os.tmpdir(), "rehearsal-"))
const blob = path.join(dir, "heap.blob")
const log = path.join(dir, "v8.log")

/** Asked in a process that starts from the heap: what it believes of the world. */
const QUESTIONS = `() => console.log(JSON.stringify({
  cwd: process.cwd(), resolved: process.getBuiltinModule("node:path").resolve("x"), umask: process.umask(),
  uid: process.getuid(), home: process.getBuiltinModule("node:os").homedir(), tmp: process.getBuiltinModule("node:os").tmpdir(),
  offset: new Date(0).getTimezoneOffset(), zone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  locale: Intl.DateTimeFormat().resolvedOptions().locale, env: { ...process.env }, pid: process.pid,
  ids: [process.getBuiltinModule("node:crypto").randomUUID(), crypto.randomUUID(), Math.random(), String(process.hrtime.bigint()),
    process.getBuiltinModule("node:crypto").randomBytes(8).toString("hex")],
  day: new Date().toISOString().slice(0, 10), origin: performance.timeOrigin,
  listeners: process.eventNames().map(String)
}))`

/** Functions that a start, or an apply, may compile: a start that leaves the rehearsed way has thousands, an apply hundreds. */
const MOST_COMPILED = 150

const roles = (...names: ReadonlyArray<string>) =>
  ["owner", ...names].map((name) => ({ name, encrypted_password: null, options: null }))
const database = { name: "made", owner: "owner", options: null }

const MAIN = "setDeserializeMainFunction(program.main)"

let told: ReadonlyArray<string> = []

beforeAll(async () => {
  fs.chmodSync(dir, 0o755)
  const bundle = fs.readFileSync(path.join(root, "dist/compute_ctl.cjs"), "utf8")
  assert.include(bundle, MAIN)
  const asked = bundle.replace(
    MAIN,
    `setDeserializeMainFunction(() => process.env.LOADED ? process.getBuiltinModule(process.env.LOADED)
      : process.env.ASKED ? (${QUESTIONS})() : program.main())`
  )
  fs.writeFileSync(path.join(dir, "bundle.cjs"), asked)
  const flags = [...builderFlags, "--snapshot-blob", path.basename(blob), "--build-snapshot", "bundle.cjs"]
  told = await rehearse(process.execPath, flags, dir)
  trimCodeCache(blob)
}, 300_000)
afterAll(() => fs.rmSync(dir, { recursive: true, force: true }))

const ask = (env: Record<string, string>, cwd: string, umask: string) =>
  JSON.parse(
    execFileSync("/bin/sh", ["-c", `umask ${umask}; exec "$0" --snapshot-blob "$1"`, process.execPath, blob], {
      encoding: "utf8",
      cwd,
      env: { ASKED: "1", ...env }
    })
  )

describe("A process that starts from the rehearsed heap", () => {
  it("has its own folder, mask, zone, language, home and variables", () => {
    const one = ask(
      { TZ: "Asia/Tokyo", LANG: "de_DE.UTF-8", HOME: "/one", TMPDIR: "/one/tmp", ONE: "1" },
      "/usr",
      "027"
    )
    const two = ask(
      { TZ: "America/Lima", LANG: "fr_FR.UTF-8", HOME: "/two", TMPDIR: "/two/tmp", TWO: "2" },
      "/etc",
      "077"
    )
    assert.deepInclude(one, { cwd: "/usr", resolved: "/usr/x", umask: 0o27, offset: -540, zone: "Asia/Tokyo" })
    assert.deepInclude(one, { locale: "de-DE", home: "/one", tmp: "/one/tmp", uid: process.getuid?.() })
    assert.deepInclude(two, { cwd: "/etc", resolved: "/etc/x", umask: 0o77, offset: 300, zone: "America/Lima" })
    assert.deepInclude(two, { locale: "fr-FR", home: "/two", tmp: "/two/tmp" })
    assert.strictEqual(one.env.ONE, "1")
    assert.isUndefined(one.env.TWO)
    assert.isUndefined(one.env.REHEARSAL)
    assert.strictEqual(one.day, new Date().toISOString().slice(0, 10))
    assert.notStrictEqual(one.origin, two.origin)
    assert.notStrictEqual(one.pid, two.pid)
  })

  it("makes up its own ids, and hears no signal before it asks to", () => {
    const [one, two] = [ask({}, "/", "022"), ask({}, "/", "022")]
    for (const [at, id] of one.ids.entries()) assert.notStrictEqual(id, two.ids[at])
    assert.deepStrictEqual(
      one.listeners.filter((name: string) => name.startsWith("SIG")),
      []
    )
  })

  it("finds the runtime's HTTP compiled, and nothing of the runtime that it has no use for", () => {
    for (const [loaded, name] of [
      ["node:http", "_http_server"],
      ["node:https", "internal/tls/wrap"],
      ["node:http2", "internal/http2/core"]
    ]) {
      const { stderr } = spawnSync(process.execPath, [...heapFlags, "--snapshot-blob", blob], {
        encoding: "utf8",
        env: { LOADED: loaded, NODE_DEBUG_NATIVE: "CODE_CACHE" }
      })
      assert.include(stderr, `Code cache of ${name} (BufferNotOwned) is accepted`)
      assert.notMatch(stderr, /is rejected|without code cache/)
      assert.isBelow(Number(/snapshot contains (\d+) code cache/.exec(stderr)?.[1]), 40)
    }
  })

  it("is no other file's: without a list of compiled modules nothing is trimmed", () => {
    const other = path.join(dir, "other")
    fs.writeFileSync(other, Buffer.alloc(100_000, "internal/http"))
    assert.throws(() => trimCodeCache(other), "0 lists of compiled modules")
  })

  it.live(
    "hardly compiles anything on its way to running, nor for an apply",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator()
        const flags = ["--log-function-events", "--no-logfile-per-isolate", `--logfile=${log}`, "--snapshot-blob", blob]
        const compute = yield* startCompute({
          emulator,
          program: [process.execPath, ...flags, "compute_ctl"],
          spec: { cluster: { roles: roles("before"), databases: [] } }
        })
        yield* compute.written("compute start finished")
        const compiled = () =>
          fs
            .readFileSync(log, "utf8")
            .split("\n")
            .filter((line) => line.startsWith("function,interpreter"))
        // Node's own HTTP server cannot be in a snapshot; what it compiles comes out of its code cache.
        const atStart = compiled()
        assert.isBelow(atStart.length, MOST_COMPILED, atStart.join("\n"))
        const cluster = { ...compute.spec["cluster"], roles: roles("after"), databases: [database] }
        assert.strictEqual((yield* compute.configure({ ...compute.spec, cluster })).status, 200)
        const atApply = compiled().slice(atStart.length)
        assert.isBelow(atApply.length, MOST_COMPILED, atApply.join("\n"))
      }),
    300_000
  )
})

describe("The heap", () => {
  it("holds no library that a plain start does not need", () => {
    const heap = fs.readFileSync(blob, "latin1")
    // Words of the gRPC client, of the web socket's, of AWS'.
    for (const text of ["outlier_detection", "permessage-deflate", "x-amz-"]) assert.isFalse(heap.includes(text), text)
  })

  it("holds nothing that the rehearsed program was told", () => {
    const heap = fs.readFileSync(blob)
    assert.isAbove(told.length, 6)
    for (const text of told) {
      assert.isFalse(heap.includes(text, 0, "latin1") || heap.includes(text, 0, "utf16le"), text)
    }
  })

  it.skipIf(process.platform !== "linux")("does not tell in the executable where it was made", () => {
    const executable = fs.readFileSync(path.join(root, "dist/compute_ctl"))
    // The Node that built lies in the folder of the packages.
    for (const text of ["dist", "src", "scripts", "node_modules"].map((name) => path.join(root, name))) {
      assert.isFalse(executable.includes(text, 0, "latin1") || executable.includes(text, 0, "utf16le"), text)
    }
  })
})

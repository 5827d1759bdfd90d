/**
 * `compute_ctl doctor`: each thing that would hinder a start is found, and nothing else.
 */
import * as fs from "node:fs"
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import * as net from "node:net"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as machine from "../../../../src/cli/verbs/local/doctor/machine.ts"
import { network } from "../../../../src/cli/verbs/local/doctor/network.ts"
import { server } from "../../../../src/cli/verbs/local/doctor/server.ts"
import { tokenTimes } from "../../../../src/cli/verbs/local/doctor/token.ts"
import { doctorText } from "../../../../src/cli/verbs/local/doctor.ts"
import { check } from "../../../../src/domain/conf/Check.ts"
import * as Tokens from "../../../../src/emulator/peers/Tokens.ts"
import { runProgram } from "../../../rig/compute.ts"
import { confContext } from "../../../rig/confContext.ts"
import { startFakeEmulator } from "../../../rig/emulator.ts"
import { pgbin, tempDir } from "../../../rig/postgres.ts"
import { makeSpec } from "../../../rig/spec.ts"

const checkedOf = (spec: object) => {
  const text = JSON.stringify({ spec, compute_ctl_config: { jwks: { keys: [] } } })
  return Result.getOrThrow(check("config", text, confContext))
}

const nowhere = { controlPlane: null, extensions: null }

const states = (found: ReadonlyArray<{ readonly name: string; readonly state: string }>) =>
  found.map(({ name, state }) => `${name}: ${state}`)

describe("the machine", () => {
  it("has an account that Postgres runs as", () => {
    assert.strictEqual(machine.account("", 1000).state, "ok")
    assert.match(machine.account("root:x:0:0\nnobody:x:65534:65534", 0).says, /gets the account nobody/)
    assert.strictEqual(machine.account("root:x:0:0", 0).state, "bad")
  })

  it("has limits that leave room for sessions", () => {
    const text = (files: string) =>
      `Limit  Soft Limit\nMax processes  unlimited  unlimited\nMax open files  ${files}  4096  files`
    assert.deepStrictEqual(states(machine.processLimits(text("65536"))), ["max open files: ok", "max processes: ok"])
    assert.deepStrictEqual(states(machine.processLimits(text("256"))), ["max open files: warn", "max processes: ok"])
    assert.deepStrictEqual(machine.processLimits(""), [])
  })

  it("has a clock by which the storage's token is neither expired nor still to be made", () => {
    const token = (claims: object) => Tokens.issue(Tokens.generate().privateKey, claims)
    const now = Date.parse("2026-02-03T04:05:06Z")
    const said = (claims: object) => tokenTimes(token(claims), now).map(({ says, state }) => `${state}: ${says}`)
    assert.deepStrictEqual(said({ exp: now / 1000 - 1 }), ["bad: it has expired at 2026-02-03T04:05:05.000Z"])
    assert.match(said({ iat: now / 1000 + 3600 })[0] ?? "", /^warn: it was made at 2026-02-03T05:05:06/)
    assert.deepStrictEqual(said({ exp: now / 1000 + 1, iat: now / 1000 }), ["ok: it ends at 2026-02-03T04:05:07.000Z"])
    assert.deepStrictEqual(said({}), ["ok: it has no end"])
    assert.deepStrictEqual(tokenTimes("nonsense", now), [])
  })

  it("has a clock that is not before this program", () => {
    assert.strictEqual(machine.clock(2000, 1000).state, "ok")
    assert.strictEqual(machine.clock(1000, 2000).state, "bad")
  })

  it.live("has its ports free", () =>
    Effect.gen(function* () {
      const listener = net.createServer()
      const taken = yield* Effect.promise(
        () =>
          new Promise<number>((resolve) =>
            listener.listen(0, "127.0.0.1", () => resolve((listener.address() as AddressInfo).port))
          )
      )
      const found = yield* machine.port("--external-http-port", taken)
      assert.deepInclude(found, { state: "bad", says: "somebody listens there already" })
      assert.include(found.remedy, `:${taken}`)
      assert.include(found.remedy, "--external-http-port")
      yield* Effect.promise(() => new Promise<void>((resolve) => listener.close(() => resolve())))
      assert.strictEqual((yield* machine.port("--external-http-port", taken)).state, "ok")
    })
  )
})

describe("the server", () => {
  it.live("is there, of a major that is served, and has its libraries", () =>
    Effect.gen(function* () {
      const dir = yield* tempDir("doctor-")
      const script = (line: string) => {
        const file = path.join(dir, "postgres")
        fs.writeFileSync(file, `#!/bin/sh\n${line}\n`, { mode: 0o755 })
        return file
      }
      const first = (file: string) => Effect.map(server(file, null, confContext), ([found]) => found)
      assert.strictEqual((yield* first(pgbin))?.state, "ok")
      assert.include((yield* first(path.join(dir, "nosuch")))?.says, "there is no program")
      assert.include(
        (yield* first(script("echo 'postgres (PostgreSQL) 9.6'")))?.says,
        "a compute serves Postgres 14 to"
      )
      const loader = "postgres: error while loading shared libraries: libxml2.so.2: cannot open shared object file"
      assert.deepInclude(yield* first(script(`echo '${loader}' >&2; exit 127`)), { name: "libraries", state: "bad" })
    })
  )
})

describe("the network", () => {
  it.live("reaches the storage, which takes the token, and says which of them does not", () =>
    Effect.gen(function* () {
      const key = Tokens.generate()
      const emulator = yield* startFakeEmulator({ tokenKey: key })
      const token = emulator.storageToken(emulator.addresses.tenant_id)
      const spec = (more: object) => ({
        ...makeSpec(emulator.addresses, { port: 5432, socketDir: "/tmp" }),
        storage_auth_token: token,
        ...more
      })
      const found = (more: object) => network(checkedOf(spec(more)).spec, nowhere)
      const well = yield* found({})
      assert.isTrue(
        well.every(({ state }) => state === "ok"),
        JSON.stringify(well)
      )
      assert.isTrue(well.some(({ name, says }) => name === "safekeeper" && says.endsWith("takes the token")))
      const foreign = yield* found({ storage_auth_token: Tokens.issue(Tokens.generate().privateKey, {}) })
      const refusing = foreign.filter(({ name }) => name === "safekeeper")
      assert.isNotEmpty(refusing)
      for (const { remedy, state } of refusing) {
        assert.strictEqual(state, "bad")
        assert.include(remedy, "storage_auth_token")
      }
      const store = (endpoint_storage_token: string) =>
        Effect.map(
          found({
            endpoint_id: "ep-1",
            endpoint_storage_addr: emulator.addresses.endpoint_storage,
            endpoint_storage_token
          }),
          (all) => all.find(({ name }) => name === "endpoint storage")
        )
      assert.match((yield* store("foreign"))?.says ?? "", /refuses: 400/)
      const claims = { tenant_id: emulator.addresses.tenant_id, timeline_id: emulator.addresses.timeline_id }
      assert.match((yield* store(Tokens.issue(key.privateKey, claims)))?.says ?? "", /takes the token$/)
      const dead = yield* found({ safekeeper_connstrings: ["127.0.0.1:1", "nowhere.invalid:1"] })
      const bad = dead.filter(({ state }) => state === "bad").map(({ says }) => says)
      assert.isTrue(
        bad.some((says) => /^127\.0\.0\.1:1: .*refused/i.test(says)),
        bad.join("\n")
      )
      assert.deepStrictEqual(
        bad.filter((says) => says.includes("nowhere.invalid")),
        ["nowhere.invalid has no address"]
      )
      assert.notInclude(JSON.stringify([well, foreign]), token ?? "")
    })
  )
})

/** A control plane that answers everything so. */
const answering = (status: number) =>
  Effect.acquireRelease(
    Effect.callback<http.Server>((resume) => {
      const made = http.createServer((_, response) => void response.writeHead(status).end(status === 200 ? "{}" : ""))
      made.listen(0, "127.0.0.1", () => resume(Effect.succeed(made)))
    }),
    (made) =>
      Effect.sync(() => {
        made.closeAllConnections()
        made.close()
      })
  )

it.live("the control plane is asked as a start would, and may refuse the token or not know the compute", () =>
  Effect.gen(function* () {
    const said = (status: number) =>
      Effect.gen(function* () {
        const { port } = (yield* answering(status)).address() as AddressInfo
        const uri = `http://127.0.0.1:${port}`
        return (yield* network(
          null,
          { ...nowhere, controlPlane: uri },
          { uri, computeId: "c-1", token: Redacted.make("sesame") }
        )).at(-1)
      }).pipe(Effect.scoped)
    assert.deepInclude(yield* said(200), { state: "ok", says: "it knows c-1" })
    assert.deepInclude(yield* said(401), { state: "bad", says: "it refuses the token (401)" })
    const unknown = yield* said(404)
    assert.deepInclude(unknown, { state: "bad", says: "it answers 404 for c-1" })
    assert.include(unknown?.remedy, "--compute-id")
    assert.notInclude(JSON.stringify(unknown), "sesame")
  })
)

describe("compute_ctl doctor", () => {
  it("says what to do, after a line for each", () => {
    const text = doctorText([
      { name: "clock", state: "ok", says: "now", remedy: null },
      { name: "port 1", state: "bad", says: "taken", remedy: "free it" }
    ])
    assert.strictEqual(
      text,
      `ok       clock   now
hinders  port 1  taken

What to do
port 1        taken
              -> free it

1 of 2 would hinder a start`
    )
  })

  it.live("ends with 1 when something hinders", () =>
    Effect.gen(function* () {
      const running = yield* runProgram(["doctor", "--pgbin", "/nosuch/postgres", "--json"])
      assert.strictEqual((yield* running.ended).code, 1)
      const found: ReadonlyArray<{ readonly name: string; readonly state: string }> = JSON.parse(running.stdout())
      assert.strictEqual(found.find(({ name }) => name === "postgres")?.state, "bad")
    })
  )
})

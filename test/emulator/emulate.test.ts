/**
 * `compute_ctl emulate` as a process.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Addresses } from "../../src/emulator/Emulator.ts"
import { runProgram } from "../rig/compute.ts"
import { http } from "../rig/http.ts"
import { tempDir } from "../rig/postgres.ts"
import { NET } from "../rig/waits.ts"
import { exchange, message, startup, texts } from "./rawPg.ts"

const portOf = (address: string) => Number(address.slice(address.lastIndexOf(":") + 1))

describe("compute_ctl emulate", () => {
  it.live("says where it listens, does as it is told, and ends with a signal", () =>
    Effect.gen(function* () {
      const dir = yield* tempDir()
      const spec = path.join(dir, "config.json")
      fs.writeFileSync(spec, '{"spec":{"cluster":{}},"compute_ctl_config":{"jwks":{"keys":[]}}}')
      const faults = path.join(dir, "faults.json")
      fs.writeFileSync(faults, '[{"peer":"safekeeper","member":0,"times":1,"action":{"do":"refuse"}}]')
      const running = yield* runProgram([
        ...[
          "emulate",
          "--fake-postgres",
          "--dir",
          path.join(dir, "postgres"),
          "--safekeepers=4",
          "--shards",
          "2",
          "--auth"
        ],
        ...["--lsn", "0/16B9188", "--spec", spec, "--faults", faults]
      ])
      yield* Effect.sync(running.stdout).pipe(
        Effect.repeat({ until: (text) => text.endsWith("\n"), schedule: Schedule.spaced("10 millis") }),
        Effect.timeout(NET)
      )
      const addresses: Addresses = JSON.parse(running.stdout())
      assert.lengthOf(addresses.safekeepers, 4)
      assert.lengthOf(addresses.pageservers_grpc, 2)
      assert.strictEqual(addresses.pgbin, path.join(dir, "postgres/bin/postgres"))
      const hello = startup({ options: `-c timeline_id=${addresses.timeline_id} tenant_id=${addresses.tenant_id}` })
      const bytes = [hello, message("p", `${addresses.storage_token}\0`), message("Q", "TIMELINE_STATUS\0")]
      const status = exchange(
        addresses.safekeepers[0] ?? "",
        bytes,
        (all) => all.filter(({ type }) => type === "Z").length > 1
      )
      assert.lengthOf((yield* status).messages, 0)
      assert.include(texts((yield* status).messages, "D")[0], "0/16B9188")
      const answer = yield* http({
        port: portOf(addresses.control_plane),
        path: "/compute/api/v2/computes/any/spec",
        headers: { authorization: "Bearer secret-token" }
      })
      assert.deepStrictEqual(JSON.parse(answer.body), {
        status: "attached",
        spec: { cluster: {} },
        compute_ctl_config: { jwks: { keys: [] } }
      })
      const asked = yield* http({ port: portOf(addresses.control), path: "/asked?peer=control" })
      assert.deepStrictEqual(JSON.parse(asked.body)[0].detail, { authorization: "Bearer secret-token" })
      // The log is written beside what is answered.
      yield* Effect.sync(running.log).pipe(
        Effect.repeat({
          until: (log) => log.includes("control 0 request: GET"),
          schedule: Schedule.spaced("10 millis")
        }),
        Effect.timeout(NET)
      )
      assert.include(running.log(), "safekeeper 0 query: TIMELINE_STATUS")
      assert.include(running.log(), "control 0 request: GET /compute/api/v2/computes/any/spec")
      assert.notInclude(running.log(), "secret-token")
      running.signal("SIGTERM")
      assert.deepStrictEqual(yield* running.ended, { code: 0, signal: null })
    })
  )

  it.live("explains itself", () =>
    Effect.gen(function* () {
      const help = yield* runProgram(["emulate", "--help"])
      assert.strictEqual((yield* help.ended).code, 0)
      assert.include(help.stdout(), "--port-safekeepers")
      assert.include(help.stdout(), "POST   /faults")
      const wrong = yield* runProgram(["emulate", "--safekeeper", "3"])
      assert.strictEqual((yield* wrong.ended).code, 2)
      assert.include(wrong.log(), "did you mean '--safekeepers'?")
      const taken = yield* runProgram(["emulate", "--fake-postgres", "--lsn", "zz"])
      assert.strictEqual((yield* taken.ended).code, 2)
    })
  )
})

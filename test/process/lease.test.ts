/**
 * The LSN lease of a static compute, as pageservers see it.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Emulator } from "../../src/emulator/Emulator.ts"
import { type Compute, startCompute } from "../rig/compute.ts"
import { startFakeEmulator } from "../rig/emulator.ts"
import { pageservers } from "../rig/spec.ts"
import { LIMIT, until as within } from "../rig/waits.ts"

const requests = (emulator: Emulator) =>
  emulator.world.asked.filter(({ text }) => text.startsWith("lease lsn") || text === "LeaseLsn")

const until = (compute: Compute, what: string, isDone: () => boolean) =>
  within(() => `${what}\n${compute.log()}`, isDone)

const metric = (compute: Compute, line: string) =>
  Effect.map(compute.http({ path: "/metrics" }), ({ body }) =>
    body.split("\n").find((candidate) => candidate.startsWith(line))
  )

describe("the lease of a static compute", () => {
  for (const protocol of ["libpq", "grpc"] as const) {
    it.live(
      `is taken on every shard over ${protocol}, and renewed at half of a short life`,
      () =>
        Effect.gen(function* () {
          const emulator = yield* startFakeEmulator({ shards: 2 })
          emulator.world.leaseMs = 2500
          const compute = yield* startCompute({
            emulator,
            spec: { mode: { Static: "0/1800000" }, ...pageservers(emulator.addresses, protocol) }
          })
          yield* until(compute, "six leases", () => requests(emulator).length >= 6)
          const members = requests(emulator)
            .slice(0, 2)
            .map(({ member }) => member)
          assert.deepStrictEqual(members.sort(), [0, 1])
          assert.match(compute.log(), /lsn_lease_bg_task.*Request succeeded, sleeping for 1 seconds/)
          assert.isDefined(yield* metric(compute, "compute_ctl_lsn_lease_expiry_timestamp_seconds"))
        }),
      LIMIT
    )
  }

  it.live(
    "is taken anew at once when /configure names another pageserver, and asked again after an error",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        emulator.world.faults = [
          { peer: "pageserver", match: "lease", times: 1, action: { do: "error", code: "XX000", message: "not yet" } }
        ]
        const compute = yield* startCompute({ emulator, spec: { mode: { Static: "0/1800000" } } })
        yield* compute.waitFor("running")
        yield* until(compute, "a lease after an error", () => requests(emulator).length === 2)
        assert.match(compute.log(), /Failed to acquire lsn lease: .*not yet/)
        const moved = String(emulator.addresses.pageservers[0]).replace("no_user", "moved")
        yield* compute.configure({ ...compute.spec, pageserver_connstring: moved })
        yield* until(compute, "a lease on the other one", () => requests(emulator).length === 3)
        assert.include(compute.log(), "Pageserver config changed")
      }),
    LIMIT
  )

  it.live(
    "that is refused is said and counted, and the compute goes on",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        emulator.world.faults = [{ peer: "pageserver", match: "lease", action: { do: "lease", ms: null } }]
        const compute = yield* startCompute({ emulator, spec: { mode: { Static: "0/1800000" } } })
        yield* compute.waitFor("running")
        yield* compute.waitForLog("lease could not be obtained, LSN is behind the GC cutoff")
        const line = yield* metric(compute, 'compute_ctl_lsn_lease_requests_total{outcome="refused"}')
        assert.strictEqual(line?.split(" ").at(-1), "1")
      }),
    LIMIT
  )
})

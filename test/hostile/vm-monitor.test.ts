/**
 * vm-monitor's server listens on a network: whoever reaches it is one of many, and costs little.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { connectMany, descriptors, exchange, growth, pour, statuses } from "../rig/clients.ts"
import { startCompute } from "../rig/compute.ts"
import { startFakeEmulator } from "../rig/emulator.ts"
import { freePorts } from "../rig/freePort.ts"
import { tempDir } from "../rig/postgres.ts"
import { beside, PROMPT } from "../rig/probe.ts"
import { until } from "../rig/waits.ts"
import { greet, maskedFrame, PING, TEXT, upgrade } from "../rig/webSocket.ts"

const LIMIT = 300_000
const MAX_CONNECTIONS = 64

const running = Effect.gen(function* () {
  const [port = 0] = yield* freePorts(1)
  // On such a machine Postgres is started within a control group.
  const dir = yield* tempDir("cgexec-")
  yield* Effect.sync(() => {
    fs.chmodSync(dir, 0o755)
    fs.writeFileSync(path.join(dir, "cgexec"), '#!/bin/sh\nshift 2\nexec "$@"\n', { mode: 0o755 })
  })
  const compute = yield* startCompute({
    emulator: yield* startFakeEmulator(),
    spec: { skip_pg_catalog_updates: true, disable_lfc_resizing: true },
    args: ["--vm-monitor-addr", `127.0.0.1:${port}`, "--cgroup", ""],
    env: { AUTOSCALING: "1", PATH: `${dir}:${process.env["PATH"]}` }
  })
  yield* compute.waitForLog("vm-monitor listens on")
  return { compute, port }
})

describe("vm-monitor's server", () => {
  it.live(
    "answers requests of a packet one by one, and clients that do not read cost little",
    () =>
      Effect.gen(function* () {
        const { compute, port } = yield* running
        const request = "GET /other HTTP/1.1\r\nHost: a\r\n\r\n"
        // Each answer ends its connection: what comes behind is not looked at.
        assert.deepStrictEqual(statuses(yield* exchange(port, request.repeat(1500))), [404])
        const grown = yield* growth(compute.pid)
        for (const client of yield* connectMany(port, 60, false)) pour(client, Buffer.from(request.repeat(1500)))
        const { longest } = yield* beside(compute, Effect.sleep("2 seconds"))
        assert.isBelow(longest, PROMPT)
        assert.isBelow(grown(), 150)
        yield* greet(port)
      }),
    LIMIT
  )

  it.live(
    "has a limit of connections, the longest idle of which make room for the agent",
    () =>
      Effect.gen(function* () {
        const { compute, port } = yield* running
        const before = descriptors(compute.pid)
        const silent = yield* connectMany(port, 3 * MAX_CONNECTIONS)
        const open = () => silent.filter(({ closed }) => !closed()).length
        yield* until("the oldest to be closed", () => open() <= MAX_CONNECTIONS)
        assert.isAtMost(descriptors(compute.pid), before + MAX_CONNECTIONS + 12)
        const agent = yield* greet(port)
        agent.socket.write(maskedFrame(TEXT, Buffer.from('{"type":"HealthCheck","content":{},"id":2}')))
        yield* until("the answer", () => agent.received().includes('"HealthCheck"'))
        // An agent that says nothing is not idle, and who is refused the protocol does not stay.
        for (const { socket } of yield* connectMany(port, MAX_CONNECTIONS)) socket.write(upgrade("/other"))
        yield* connectMany(port, 2 * MAX_CONNECTIONS)
        agent.socket.write(maskedFrame(TEXT, Buffer.from('{"type":"HealthCheck","content":{},"id":4}')))
        yield* until("another answer", () => agent.received().includes('"id":4') || agent.closed())
        assert.isFalse(agent.closed())
        const { body } = yield* compute.http({ path: "/metrics" })
        assert.match(
          body,
          /^compute_ctl_http_connections_closed_total\{reason="limit",server="vm-monitor"\} [1-9]\d\d$/m
        )
      }),
    LIMIT
  )

  it.live(
    "is not filled with answers to pings that are not read, nor with messages that wait",
    () =>
      Effect.gen(function* () {
        const { compute, port } = yield* running
        const grown = yield* growth(compute.pid)
        for (const frame of [
          maskedFrame(PING, Buffer.alloc(125, "p")),
          maskedFrame(TEXT, Buffer.from('{"type":"HealthCheck","content":{},"id":2}'))
        ]) {
          const agent = yield* greet(port)
          agent.socket.pause()
          const many = Buffer.concat(Array.from({ length: 400 }, () => frame))
          pour(agent, many)
          const { longest } = yield* beside(compute, Effect.sleep("3 seconds"))
          assert.isBelow(longest, PROMPT)
        }
        assert.isBelow(grown(), 150)
        yield* greet(port)
      }),
    LIMIT
  )
})

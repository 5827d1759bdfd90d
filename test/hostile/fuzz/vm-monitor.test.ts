/**
 * What comes to vm-monitor's server: heads that ask for another protocol, and frames of it.
 */
import { totalmem } from "node:os"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as fc from "fast-check"
import { serve } from "../../../src/layers/machine/vmmonitor/serve.ts"
import { Metrics } from "../../../src/layers/observe/Metrics.ts"
import { Sql } from "../../../src/layers/sql/Sql.ts"
import { connect } from "../../rig/clients.ts"
import { freePorts } from "../../rig/freePort.ts"
import { divided, fuzz, limit, mutated } from "../../rig/fuzz.ts"
import { eventually as eventuallySeen, until } from "../../rig/waits.ts"
import { greet, maskedFrame, TEXT, upgrade } from "../../rig/webSocket.ts"

const messages = [
  '{"min":1,"max":1}',
  '{"min":0,"max":255}',
  '{"type":"HealthCheck","content":{},"id":2}',
  '{"type":"UpscaleNotification","content":{"granted":{"cpu":1,"mem":4294967296}},"id":4}',
  '{"type":"DownscaleRequest","content":{"target":{"cpu":0.5,"mem":1024}},"id":6}',
  '{"type":"InvalidMessage","content":{"error":"what?"},"id":8}'
]

const frames = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...messages).map((message) => maskedFrame(TEXT, Buffer.from(message))) },
    fc
      .record({
        opcode: fc.integer({ min: 0, max: 15 }),
        body: fc.uint8Array({ maxLength: 200 }),
        final: fc.boolean()
      })
      .map(({ body, final, opcode }) => maskedFrame(opcode, body, final)),
    fc.constantFrom(maskedFrame(TEXT, Buffer.alloc(70_000, "x")), Buffer.from([0x81, 0xff, 0x7f, 0, 0, 0, 0, 0, 0, 0]))
  ),
  { maxLength: 8 }
)
const heads = fc.oneof(
  { weight: 4, arbitrary: fc.constant(Buffer.from(upgrade("/monitor"))) },
  mutated([Buffer.from(upgrade("/monitor")), Buffer.from(upgrade("/other"))])
)
const visits = fc.record({
  bytes: fc
    .tuple(heads, frames)
    .chain(([head, all]) =>
      fc.oneof(fc.constant(Buffer.concat([head, ...all])), mutated([Buffer.concat([head, ...all])]))
    ),
  cuts: fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 4 })
})

describe("vm-monitor's server", () => {
  it.live(
    "drops who speaks otherwise, and serves the next agent",
    () =>
      Effect.gen(function* () {
        const [port = 0] = yield* freePorts(1)
        const settings = {
          address: `127.0.0.1:${port}`,
          cgroupRoot: "/nowhere",
          memory: totalmem,
          cgroup: null,
          connstr: null
        }
        const server = yield* Effect.forkScoped(serve(settings))
        const listens = Effect.map(Effect.scoped(greet(port)), ({ received }) => received() !== "")
        yield* eventuallySeen("it to listen", listens, Boolean)
        const visit = ({ bytes, cuts }: { readonly bytes: Buffer; readonly cuts: ReadonlyArray<number> }) =>
          Effect.gen(function* () {
            const client = yield* connect(port)
            for (const piece of divided(bytes, cuts.length === 0 ? [bytes.length] : cuts)) client.socket.write(piece)
            client.socket.end()
            yield* until("the end of the connection", client.closed)
            assert.match(client.received(), /^(?:HTTP\/1\.1 (?:101|400|404|405|408|426|431|501) |$)/)
          }).pipe(Effect.scoped)
        yield* Effect.promise(() => fuzz(visits, (input) => Effect.runPromise(visit(input)), { hang: 90_000 }))
        assert.strictEqual(server.pollUnsafe(), undefined)
        const agent = yield* greet(port)
        assert.include(agent.received(), '{"version":1}')
      }).pipe(
        Effect.provide(
          Metrics.layer.pipe(Layer.provideMerge(Sql.layerTo("postgresql://cloud_admin@127.0.0.1:1/postgres")))
        ),
        Effect.provide(Logger.layer([]))
      ),
    limit
  )
})

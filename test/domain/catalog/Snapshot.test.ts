import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { type Snapshot, snapshotSteps } from "../../../src/domain/catalog/Snapshot.ts"
import { run } from "../../../src/domain/json/Steps.ts"

const answer = (more: object = {}) =>
  JSON.stringify({
    version: 150000,
    started: "1",
    system: "postgres",
    superuser: true,
    timeline: null,
    subscriptionsDroppedFor: null,
    roles: { names: ["alice", "bob"], passwords: ["md5x", null] },
    databases: [],
    subscribers: [],
    extensions: [],
    neonControl: "default_version = '1.6'",
    schemaNeon: false,
    healthCheck: false,
    healthCheckPlain: true,
    marks: [],
    postgresSettings: [],
    readerTimeout: null,
    roleTimeouts: [],
    ...more
  })

const decode = (text: string) => run(snapshotSteps(text))

describe("the server's answer about its catalog", () => {
  it("keeps the verifiers of roles apart from their names", () => {
    const { neonAvailable, roles } = Result.getOrThrow(decode(answer()))
    assert.strictEqual(neonAvailable, "1.6")
    const verifiers = [...roles].map(([name, verifier]) => [name, verifier && Redacted.value(verifier)])
    assert.deepStrictEqual(verifiers, [
      ["alice", "md5x"],
      ["bob", null]
    ])
  })

  it("is refused when anything in it is not of the expected form", () => {
    for (const text of [
      answer({ databases: [{ oid: 1, name: "d" }] }),
      answer({ roles: { names: [1], passwords: [] } }),
      `${answer()}x`,
      answer().slice(0, -1)
    ]) {
      assert.isTrue(Result.isFailure(decode(text)), text)
    }
  })

  it("is read in steps when it is long", () => {
    const names = Array.from({ length: 50_000 }, (_, index) => `role_${index}`)
    const steps = snapshotSteps(answer({ roles: { names, passwords: names } }))
    let count = 0
    let last = steps.next()
    for (; last.done !== true; last = steps.next()) count += 1
    assert.isAbove(count, 100)
    const found: Result.Result<Snapshot, unknown> = last.value
    assert.strictEqual(Result.getOrThrow(found).roles.size, 50_000)
  })
})

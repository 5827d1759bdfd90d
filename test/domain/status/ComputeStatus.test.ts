import * as fs from "node:fs"
import { assert, it } from "@effect/vitest"
import * as fc from "fast-check"
import { type Cause, ComputeStatus, camel, edges, kebab, next } from "../../../src/domain/status/ComputeStatus.ts"
import { picture } from "../../../src/domain/status/StatusPicture.ts"

const statuses = ComputeStatus.literals
const causes = [...new Set(edges.map((edge) => edge.cause))]

it("the README shows the machine as it is", () => {
  const readme = fs.readFileSync(new URL("../../../README.md", import.meta.url), "utf8")
  const shown = /```mermaid\n(stateDiagram-v2[\s\S]*?)\n```/.exec(readme)?.[1]
  assert.strictEqual(shown, picture(edges))
})

it("a cause leads from a status to one other at most", () => {
  const keys = edges.map((edge) => `${edge.from} ${edge.cause}`)
  assert.deepStrictEqual(keys.length, new Set(keys).size)
})

it("every status is reached from empty, and each but the final ones is left", () => {
  const reached = new Set<ComputeStatus>(["empty"])
  for (let round = 0; round < statuses.length; round++) {
    for (const edge of edges) if (reached.has(edge.from)) reached.add(edge.to)
  }
  assert.deepStrictEqual([...reached].sort(), [...statuses].sort())
  const left = new Set(edges.map((edge) => edge.from))
  assert.deepStrictEqual(
    statuses.filter((status) => !left.has(status)),
    ["terminated"]
  )
})

it("what the API accepts where", () => {
  const accepted = (cause: Cause, postgresRuns: boolean) =>
    statuses.filter((status) => next(status, cause, postgresRuns) !== undefined)
  assert.deepStrictEqual(accepted("configure", false), ["empty", "running"])
  assert.deepStrictEqual(accepted("configure", true), ["empty", "running", "failed"])
  const startedUp = ["refresh_configuration_pending", "refresh_configuration"]
  const always = ["empty", "configuration_pending", "init", "running", "configuration"]
  assert.deepStrictEqual(accepted("terminate fast", true), [...always, "failed", ...startedUp])
  assert.deepStrictEqual(accepted("terminate fast", false), [...always, ...startedUp])
  assert.deepStrictEqual(accepted("refresh requested", false), ["running", "failed", "refresh_configuration_pending"])
})

it("no sequence of causes leaves the table or moves a compute that is terminated", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.constantFrom(...causes), fc.boolean()), { maxLength: 60 }), (sequence) => {
      let status: ComputeStatus = "empty"
      for (const [cause, postgresRuns] of sequence) {
        const to = next(status, cause, postgresRuns)
        if (to === undefined) continue
        const before: ComputeStatus = status
        assert.isTrue(edges.some((edge) => edge.from === before && edge.to === to && edge.cause === cause))
        assert.notStrictEqual(before, "terminated")
        status = to
      }
    })
  )
})

it("its three spellings", () => {
  assert.strictEqual(kebab("refresh_configuration_pending"), "refresh-configuration-pending")
  assert.strictEqual(camel("refresh_configuration_pending"), "RefreshConfigurationPending")
})

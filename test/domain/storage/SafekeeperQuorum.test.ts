import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { fromBigInt } from "../../../src/domain/spec/Lsn.ts"
import { type Answer, decide, quorum } from "../../../src/domain/storage/SafekeeperQuorum.ts"

const at = (flush: bigint, commit: bigint = flush): Answer => ({
  _tag: "Position",
  flush: fromBigInt(flush),
  commit: fromBigInt(commit)
})
const missing: Answer = { _tag: "NotFound" }
const down: Answer = { _tag: "Failed", reason: "connection refused" }

const summary = (members: number, answers: ReadonlyArray<Answer>) => {
  const verdict = decide(members, answers)
  if (verdict._tag === "Synced") return verdict.lsn
  if (verdict._tag === "Open") return verdict.enough === null ? "open" : `enough ${verdict.enough}`
  return verdict.noQuorum ? "no quorum" : "not synced"
}

describe("SafekeeperQuorum", () => {
  const table: ReadonlyArray<readonly [string, number, ReadonlyArray<Answer>, bigint | string]> = [
    ["nobody has answered", 3, [], "open"],
    ["one of three", 3, [at(0x20n)], "open"],
    ["two of three agree", 3, [at(0x20n), at(0x20n)], "enough 32"],
    ["two of three agree, the third is down", 3, [at(0x20n), down, at(0x20n)], 0x20n],
    ["all agree", 3, [at(0x20n), at(0x20n), at(0x20n)], 0x20n],
    ["nothing was ever written", 3, [at(0n), at(0n), at(0n)], 0n],
    ["committed less than flushed", 3, [at(0x20n, 0x18n)], "not synced"],
    ["flush differs", 3, [at(0x20n), at(0x28n)], "not synced"],
    ["the third is ahead of the quorum", 3, [at(0x20n), at(0x20n), at(0x28n, 0x20n)], "not synced"],
    ["one does not know the timeline", 3, [at(0x20n), missing], "not synced"],
    ["two are down", 3, [down, down], "no quorum"],
    ["four members, two are down", 4, [at(0x20n), down, down], "no quorum"],
    ["four members need three", 4, [at(0x20n), at(0x20n)], "open"],
    ["four members, one is down", 4, [at(0x20n), at(0x20n), at(0x20n), down], 0x20n],
    ["a single one", 1, [at(0x20n)], 0x20n],
    ["a single one is down", 1, [down], "no quorum"],
    ["no members", 0, [], "no quorum"]
  ]
  it.each(table)("%s", (_, members, answers, expected) => {
    assert.deepStrictEqual(summary(members, answers), expected)
  })

  it("needs every member while they have generations", () => {
    const verdict = (answers: ReadonlyArray<Answer>) => decide(3, answers, true)
    assert.deepStrictEqual(verdict([at(0x20n), at(0x20n)]), { _tag: "Open", enough: null })
    assert.strictEqual(verdict([at(0x20n), at(0x20n), at(0x20n)])._tag, "Synced")
    assert.deepInclude(verdict([at(0x20n), at(0x20n), down]), { _tag: "NotSynced", noQuorum: false })
    assert.deepInclude(verdict([down, down]), { _tag: "NotSynced", noQuorum: true })
    assert.strictEqual(decide(0, [], true)._tag, "NotSynced")
  })

  const answer = fc.oneof(
    fc.tuple(fc.bigInt(0n, 2n), fc.bigInt(0n, 2n)).map(([flush, commit]) => at(flush, commit)),
    fc.constant(missing),
    fc.constant(down)
  )

  it("is in sync only when a quorum has one position, and nobody says otherwise", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 7 }), fc.array(answer, { maxLength: 7 }), (members, all) => {
        const answers = all.slice(0, members)
        const verdict = decide(members, answers)
        const lsn = verdict._tag === "Synced" ? verdict.lsn : verdict._tag === "Open" ? verdict.enough : null
        const positions = answers.filter((one) => one._tag === "Position")
        const agree = positions.every((one) => one.flush === positions[0]?.flush && one.commit === one.flush)
        const expected =
          positions.length >= quorum(members) && agree && !answers.includes(missing) ? positions[0]?.flush : null
        assert.deepStrictEqual<bigint | null | undefined>(lsn, expected)
      })
    )
  })

  it("does not change a refusal, and is never open when all have answered", () => {
    fc.assert(
      fc.property(fc.array(answer, { minLength: 1, maxLength: 7 }), (answers) => {
        const verdicts = answers.map((_, index) => decide(answers.length, answers.slice(0, index + 1))._tag)
        const refused = verdicts.indexOf("NotSynced")
        if (refused >= 0) assert.isTrue(verdicts.slice(refused).every((tag) => tag === "NotSynced"))
        assert.notStrictEqual(verdicts.at(-1), "Open")
      })
    )
  })
})

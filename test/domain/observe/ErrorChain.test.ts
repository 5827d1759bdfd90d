import { assert, it } from "@effect/vitest"
import { line, messages, paragraph } from "../../../src/domain/observe/ErrorChain.ts"

const chain = messages(new Error("failed to get basebackup@0/0", { cause: new Error("timed out") }))

it("one cause is indented under its head", () => {
  assert.strictEqual(paragraph(chain), "failed to get basebackup@0/0\n\nCaused by:\n    timed out")
})

it("several causes are numbered, and their further lines stay under the first", () => {
  assert.strictEqual(paragraph(["a", "b\nb2", "c"]), "a\n\nCaused by:\n    0: b\n       b2\n    1: c")
})

it("a log line joins them", () => {
  assert.strictEqual(line(chain), "failed to get basebackup@0/0: timed out")
})

import { assert, describe, it } from "@effect/vitest"
import { jsonLine, type LogRecord, postgresLine, textLine } from "../../../src/domain/observe/LogLine.ts"

const record = (given: Partial<LogRecord>): LogRecord => ({
  millis: Date.UTC(2026, 2, 2),
  micros: 7,
  level: "INFO",
  message: "GET /status",
  fields: [],
  spans: [],
  trace: null,
  ...given
})

const forms = {
  text: textLine,
  json: jsonLine,
  postgres: (of: LogRecord) => postgresLine(of, { instanceId: "i", computeId: "c" })
}

/** Control characters, and those that break or turn a line. */
const HOSTILE = [
  ..."\u0000\u0007\b\t\u001b\u001f\u007f\u0080\u0085\u009b\u009f",
  ..."\u061c\u200e\u200f\u2028\u2029\u202a\u202e\u2066\u2069"
]

describe("LogLine", () => {
  for (const [name, line] of Object.entries(forms)) {
    it(`escapes what a terminal obeys, in message, field and span (${name})`, () => {
      for (const character of HOSTILE) {
        const text = `a${character}b`
        const written = line(
          record({ message: text, fields: [["f", text]], spans: [{ name: "s", fields: [["g", text]] }] })
        )
        assert.notInclude(written, character)
        assert.notInclude(written, "\n")
      }
    })

    it(`keeps a field and a message below 4 KiB, whatever is in them (${name})`, () => {
      for (const unit of ["a", "ä", "語", "😀", '"', "\\", "\u009b", "\u0001", "\n", "\u202e", "a b"]) {
        const long = unit.repeat(70_000)
        const both = line(record({ message: long, fields: [["request_id", long]] }))
        // In the form of Postgres fields are a part of the message, so that their quotes are escaped again.
        const most = name === "postgres" ? 3 * 4096 : 2 * 4096
        assert.isBelow(Buffer.byteLength(both), most + 400, JSON.stringify(unit))
        assert.include(both, "more)")
        assert.notInclude(both, "\ufffd")
        assert.isTrue(both.isWellFormed())
      }
    })

    it(`cuts no secret in two (${name})`, () => {
      const secret = "s3cr3t".repeat(20)
      for (const before of [3900, 4000, 4050, 65_500]) {
        for (const text of [`password='x ${secret}'`, `Bearer ${secret}`, `eyJhbGciOiJFZERTQSJ9.${secret}.${secret}`]) {
          const written = line(record({ message: `${"x ".repeat(before / 2)}${text}` }))
          assert.notInclude(written, "s3cr", `${before} ${text.slice(0, 20)}`)
        }
      }
    })
  }

  it("keeps a line whole that is taken apart downstream", () => {
    const extensions = Array.from({ length: 500 }, (_, index) => ({ extname: `extension_${index}` }))
    const message = `[NEON_EXT_STAT] ${JSON.stringify({ extensions })}`
    assert.include(textLine(record({ message })), message)
  })

  it("leaves JSON what it stands for", () => {
    const text = `a${HOSTILE.join("")}\n"b"`
    assert.strictEqual(JSON.parse(jsonLine(record({ message: text }))).message, text)
  })
})

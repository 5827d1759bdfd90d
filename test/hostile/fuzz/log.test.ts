/**
 * Lines of the log: no secret, no control character and no second line gets out, wherever a text was cut.
 */
import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { jsonLine, type LogRecord, postgresLine, textLine } from "../../../src/domain/observe/LogLine.ts"
import { redact } from "../../../src/domain/observe/Redaction.ts"
import { beginsMessage, renderMessage } from "../../../src/domain/postgres/PostgresLog.ts"
import { splitLines } from "../../../src/layers/machine/child/lines.ts"
import { divided, fuzz, limit } from "../../rig/fuzz.ts"

const SECRET = "s3cr3tW0rd"
const b64 = (text: string) => Buffer.from(text).toString("base64url")
const token = `${b64('{"alg":"EdDSA","typ":"JWT"}')}.${b64(`{"sub":"${SECRET}"}`)}.${SECRET}`

/** As secrets come; each whole. */
const secrets = [
  `password=${SECRET}`,
  `PASSWORD '${SECRET}'`,
  `postgresql://user:${SECRET}@host/db`,
  `Authorization: Bearer ${SECRET}`,
  `"storage_auth_token": "${SECRET}"`,
  `NEON_AUTH_TOKEN=${SECRET}`,
  token
]

/** Parts that look like the beginning of one, and what stands between. */
const parts = fc.oneof(
  fc.constantFrom(
    "eyJ",
    "eyJ-",
    ".",
    "..",
    "Bearer ",
    "password=",
    "'",
    '"',
    "\\",
    '\\"',
    "://",
    ":",
    "@",
    "token",
    "="
  ),
  fc.constantFrom("\n", "\r\n", "\u001b[2J", "\u0085", "\u2028", "\u202e", " ", "é", "語", "😀", "\ud800"),
  fc.constantFrom("SCRAM-SHA-256$", "md5", "0".repeat(32), "PASSWORD ", "secret'", 'jwt": "'),
  fc.string({ unit: "binary", maxLength: 12 }),
  fc
    .tuple(fc.constantFrom("a", "eyJ-", "x ", "\\'", "=", 'secret=\\"'), fc.integer({ min: 1, max: 4000 }))
    .map(([unit, times]) => unit.repeat(times))
)
const texts = fc.array(parts, { maxLength: 12 }).map((all) => all.join(""))
const fields = fc.array(fc.tuple(fc.constantFrom("request_id", "token", "a b", ""), texts), { maxLength: 3 })

const record = (message: string, given: LogRecord["fields"]): LogRecord => ({
  millis: Date.UTC(2026, 2, 2),
  micros: 7,
  level: "INFO",
  message,
  fields: given,
  spans: [{ name: "request", fields: given }],
  trace: null
})

const forms = (of: LogRecord) => [textLine(of), jsonLine(of), postgresLine(of, { instanceId: "i", computeId: "c" })]
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there
const obeyed = /[\u0000-\u001f\u007f-\u009f\u2028-\u202e\u2066-\u2069]/

describe("a line of the log", () => {
  it(
    "is one, whole and of limited length",
    async () => {
      await fuzz(
        fc.tuple(texts, fields),
        ([message, given]) => {
          for (const line of forms(record(message, given))) {
            assert.notMatch(line, obeyed)
            // A message and what stands in fields and spans, each of 4 KiB, with its quotes escaped twice.
            assert.isBelow(Buffer.byteLength(line), (1 + 2 * given.length) * 3 * 4096 + 1000)
            if (line.startsWith("{")) JSON.parse(line)
          }
        },
        { hang: 1000 }
      )
    },
    limit
  )

  it(
    "shows no secret, whatever stands around it",
    async () => {
      // What stands before may open a quote: the secret is then a part of another value, which must go as well.
      const before = fc.array(fc.constantFrom("eyJ", ".", " ", "=", "a", "x ".repeat(2040), "\u001b", "語", ","), {
        maxLength: 8
      })
      const after = fc.constantFrom("", " ", ",", "\n", "&x=1")
      await fuzz(
        fc.tuple(before, fc.constantFrom(...secrets), after),
        ([head, secret, tail]) => {
          const text = `${head.join("")} ${secret}${tail}`
          assert.notInclude(redact(text), SECRET)
          for (const line of forms(record(text, [["path", text]]))) assert.notInclude(line, SECRET.slice(0, 6))
        },
        { hang: 1000 }
      )
    },
    limit
  )
})

describe("lines of a child", () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 5000 }), { maxLength: 5 })

  it(
    "are the same wherever the pipe cuts them",
    async () => {
      const bytes = fc.oneof(
        texts.map((text) => Buffer.from(text)),
        fc.uint8Array({ maxLength: 2000 }).map((all) => Buffer.from(all)),
        fc.integer({ min: 0, max: 600_000 }).map((length) => Buffer.alloc(length, "ä\n".slice(0, 2)))
      )
      const linesOf = (pieces: ReadonlyArray<Buffer>) => {
        const lines: Array<string> = []
        const splitter = splitLines((line) => lines.push(line))
        for (const piece of pieces) splitter.push(piece)
        splitter.end()
        return lines
      }
      await fuzz(fc.tuple(bytes, cuts), ([all, sizes]) => {
        const lines = linesOf(divided(all, sizes.length === 0 ? [all.length] : sizes))
        assert.deepStrictEqual(lines, linesOf([all]))
        for (const line of lines) {
          assert.isBelow(line.length, 256 * 1024)
          beginsMessage(line)
        }
        assert.notMatch(renderMessage(lines).replaceAll("\t", ""), obeyed)
      })
    },
    limit
  )
})

import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { passwordVerifier } from "../../../src/domain/spec/PasswordVerifier.ts"

const HASH = "0123456789abcdef0123456789abcdef"
const KEY = Buffer.alloc(32, 7).toString("base64")
const scram = (iterations: string, salt: string, stored = KEY, server = KEY) =>
  `SCRAM-SHA-256$${iterations}:${salt}$${stored}:${server}`

describe("a password verifier", () => {
  it("is a whole SCRAM one, as it is", () => {
    for (const salt of ["c2FsdA==", "c2FsdHM=", "c2FsdHNh", "MDEyMzQ1Njc4OWFiY2RlZg=="]) {
      assert.deepStrictEqual(passwordVerifier(scram("4096", salt)), Result.succeed(scram("4096", salt)))
    }
  })

  it("is an MD5 hash, with or without its prefix; Postgres knows small digits only", () => {
    for (const text of [HASH, `md5${HASH}`, HASH.toUpperCase(), `md5${HASH.toUpperCase()}`]) {
      assert.deepStrictEqual(passwordVerifier(text), Result.succeed(`md5${HASH}`))
    }
  })

  it("is none when it is empty", () => {
    assert.deepStrictEqual(passwordVerifier(""), Result.succeed(null))
  })

  it("is refused when Postgres would take it for a password in clear", () => {
    const short = Buffer.alloc(31, 7).toString("base64")
    const long = Buffer.alloc(33, 7).toString("base64")
    for (const text of [
      ...["X", "md5", "md5X", HASH.slice(1), `${HASH}0`, `MD5${HASH}`, `md5${HASH}\n`, ` ${HASH}`, `${HASH.slice(1)}g`],
      ...[
        "SCRAM-SHA-256",
        "SCRAM-SHA-256$",
        "SCRAM-SHA-256$4096:c2FsdA==$c3Q=:c3Y=",
        "SCRAM-SHA-512$4096:c2FsdA==$a:b"
      ],
      ...[scram("0", "c2FsdA=="), scram("-1", "c2FsdA=="), scram("1e3", "c2FsdA=="), scram("99999999999", "c2FsdA==")],
      ...[scram("2147483648", "c2FsdA=="), scram("", "c2FsdA=="), scram("4096", ""), scram("4096", "c2FsdA=")],
      ...[scram("4096", "c2FsdA"), scram("4096", "c2F dA=="), scram("4096", "c2FsdA==", short)],
      ...[scram("4096", "c2FsdA==", KEY, short), scram("4096", "c2FsdA==", long), `${scram("4096", "c2FsdA==")}\n`],
      ...[`${scram("4096", "c2FsdA==")}:x`, scram("4096", "c2FsdA==").toLowerCase(), "\0", "x".repeat(1_000_000)]
    ]) {
      const refused = passwordVerifier(text)
      assert.isTrue(Result.isFailure(refused), text.slice(0, 100))
      if (text.length > 10 && !text.startsWith("SCRAM")) assert.notInclude(JSON.stringify(refused), text)
    }
  })
})

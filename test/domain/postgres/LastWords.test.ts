import { assert, describe, it } from "@effect/vitest"
import { heard, inWords } from "../../../src/domain/postgres/LastWords.ts"
import { renderMessage } from "../../../src/domain/postgres/PostgresLog.ts"

const TIME = "2026-01-02 03:04:05.678 UTC [12] "
const said = (...messages: ReadonlyArray<ReadonlyArray<string>>) =>
  messages.reduce<ReadonlyArray<string>>((kept, lines) => heard(kept, renderMessage(lines)), [])

describe("LastWords", () => {
  it("are the FATAL line and the ones before it that name the place", () => {
    const words = said(
      [`${TIME}LOG:  starting PostgreSQL 17`],
      [`${TIME}LOG:  unrecognized configuration parameter "work_men" in file "/d/postgresql.conf" line 7`],
      [`${TIME}LOG:  invalid value for parameter "jit": "x"`, `${TIME}HINT:  on or off`, `${TIME}STATEMENT:  secret`],
      [`${TIME}FATAL:  configuration file "/d/postgresql.conf" contains errors`]
    )
    assert.strictEqual(
      inWords(words),
      ': LOG:  unrecognized configuration parameter "work_men" in file "/d/postgresql.conf" line 7; ' +
        'LOG:  invalid value for parameter "jit": "x" HINT:  on or off; ' +
        'FATAL:  configuration file "/d/postgresql.conf" contains errors'
    )
  })

  it("have the PANIC of a walproposer, and nothing of the sessions that end with it", () => {
    const panic = "PANIC:  [WP] collected propTermStartLsn 0/1, but basebackup LSN 0/2"
    assert.deepStrictEqual(
      said(
        [`${TIME}FATAL:  the database system is starting up`],
        [`${TIME}${panic}`],
        [`${TIME}FATAL:  terminating connection due to administrator command`]
      ),
      [panic]
    )
  })

  it("are few, short and without secrets", () => {
    const many = Array.from({ length: 20 }, (_, at) => [`${TIME}FATAL:  number ${at} ${"x ".repeat(2000)}`])
    const words = said(...many, [`${TIME}FATAL:  bad connection string "host=a password=geheim"`])
    assert.isAtMost(inWords(words).length, 2100)
    assert.notInclude(inWords(words), "geheim")
    assert.include(inWords(words), "number 19")
  })
})

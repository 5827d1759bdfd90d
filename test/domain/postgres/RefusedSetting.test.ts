import { assert, describe, it } from "@effect/vitest"
import {
  describeAll,
  type FileFault,
  refusedOnly,
  refusedSettings,
  refusesAll,
  waitForRestart
} from "../../../src/domain/postgres/RefusedSetting.ts"

const fault = (name: string | null, value: string | null, error: string): FileFault => ({
  file: "/d/postgresql.conf",
  line: 3,
  name,
  value,
  error
})
const NOT_APPLIED = "setting could not be applied"

describe("RefusedSetting", () => {
  it("tells a bad value from one that waits for a restart, and says what the setting takes", () => {
    const settings = refusedSettings(
      [fault("Work_Mem", "x", NOT_APPLIED), fault("max_connections", "50", NOT_APPLIED)],
      [
        { name: "max_connections", pending: true, takes: "a number from 1 to 262143" },
        { name: "wal_level", pending: true, takes: null },
        { name: "work_mem", pending: false, takes: "a number from 64 to 2147483647 kB" }
      ]
    )
    assert.deepStrictEqual(waitForRestart(settings), ["max_connections", "wal_level"])
    assert.deepStrictEqual(refusedOnly(settings), [
      {
        name: "Work_Mem",
        value: "x",
        file: "/d/postgresql.conf",
        line: 3,
        reason: "setting could not be applied, it takes a number from 64 to 2147483647 kB",
        waits_for_restart: false
      }
    ])
    assert.strictEqual(
      describeAll(refusedOnly(settings)),
      "Work_Mem = 'x' (/d/postgresql.conf:3): setting could not be applied, it takes a number from 64 to 2147483647 kB"
    )
  })

  it("knows the faults over which Postgres applies nothing", () => {
    assert.isTrue(refusesAll(fault("work_men", "1", "unrecognized configuration parameter")))
    assert.isTrue(refusesAll(fault(null, null, "syntax error")))
    assert.isFalse(refusesAll(fault("work_mem", "x", NOT_APPLIED)))
  })

  it("takes a setting that is gone from the file for one that waits", () => {
    const gone = fault(null, null, 'parameter "max_connections" cannot be changed without restarting the server')
    assert.isFalse(refusesAll(gone))
    assert.deepStrictEqual(waitForRestart(refusedSettings([gone], [])), ["max_connections"])
  })

  it("shows no secret", () => {
    const settings = refusedSettings(
      [
        fault("my.api_key", "abc", "unrecognized configuration parameter"),
        fault("primary_conninfo", "host=a password=geheim", NOT_APPLIED)
      ],
      []
    )
    const text = describeAll(settings)
    assert.notInclude(text, "abc")
    assert.notInclude(text, "geheim")
  })
})

import { assert, describe, it } from "@effect/vitest"
import { parseFilter } from "../../../src/domain/observe/LogFilter.ts"

describe("LogFilter", () => {
  for (const [text, filter] of [
    [undefined, "INFO"],
    ["", "ERROR"],
    ["warn", "WARN"],
    ["DEBUG", "DEBUG"],
    ["off", "OFF"],
    ["pageserver::tenant=debug,info", "INFO"],
    ["info,walproposer=trace", "INFO"],
    ["info,compute_tools=debug", "DEBUG"],
    ["compute_ctl=warn", "WARN"],
    ["pageserver=debug", "OFF"],
    ["info,[request{uri=/metrics}]=off", "INFO"],
    ["warn,=debug", "INFO"],
    ["warn,pageserver=loud", "INFO"],
    ["info warn", "INFO"],
    ["debug,warn", "WARN"]
  ] as const) {
    it(`${text === undefined ? "unset" : `"${text}"`} is ${filter}`, () =>
      assert.strictEqual(parseFilter(text), filter))
  }
})

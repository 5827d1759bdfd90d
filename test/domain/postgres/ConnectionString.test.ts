import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { type ConnectionString, parse } from "../../../src/domain/postgres/ConnectionString.ts"

const table: ReadonlyArray<readonly [string, Partial<ConnectionString> | string]> = [
  ["postgresql://no_user@ps1:6400", { addresses: [{ host: "ps1", port: 6400 }], user: "no_user", sslmode: "disable" }],
  ["postgres://ps1", { addresses: [{ host: "ps1", port: 5432 }], user: null, database: null }],
  ["postgresql://u%40x:p%2F%3A@h/db%20x", { user: "u@x", password: "p/:", database: "db x" }],
  ["postgresql://u:p@ss@h:1", { user: "u", password: "p@ss", addresses: [{ host: "h", port: 1 }] }],
  ["postgresql://[::1]:6400/", { addresses: [{ host: "::1", port: 6400 }] }],
  [
    "postgresql://a:1,b:2/x",
    {
      addresses: [
        { host: "a", port: 1 },
        { host: "b", port: 2 }
      ]
    }
  ],
  [
    "postgresql://h?sslmode=require&application_name=x%20y&options=-c%20a%3Db&connect_timeout=3",
    { sslmode: "require", applicationName: "x y", options: "-c a=b", connectTimeout: 3 }
  ],
  ["postgresql:///db?host=/tmp/sock&port=7", { addresses: [{ host: "/tmp/sock", port: 7 }], database: "db" }],
  ["postgresql://%2Ftmp%2Fsock/db", { addresses: [{ host: "/tmp/sock", port: 5432 }] }],
  ["host=h port=6400", { addresses: [{ host: "h", port: 6400 }], user: null }],
  ["  host = 'h x'  user=a\\'b password='it\\'s' ", { user: "a'b", password: "it's" }],
  [
    "host=a,b port=1",
    {
      addresses: [
        { host: "a", port: 1 },
        { host: "b", port: 1 }
      ]
    }
  ],
  ["host=h unknown_thing=1", { addresses: [{ host: "h", port: 5432 }] }],
  ["", "host is missing"],
  ["user=x", "host is missing"],
  ["postgresql://", "host is missing"],
  ["postgresql://h:99999", "invalid port `99999`"],
  ["postgresql://h:12a", "invalid port `12a`"],
  ["host=a,b,c port=1,2", "invalid number of ports"],
  ["grpc://no_user@h:1", "invalid connection string: expected `keyword=value`"],
  ["postgresql://h?sslmode=maybe", "invalid value for option `sslmode`"],
  ["postgresql://%zz@h", "invalid percent-encoding"]
]

describe("ConnectionString", () => {
  it.each(table)("%j", (text, expected) => {
    const parsed = parse(text)
    if (typeof expected === "string") assert.deepStrictEqual(parsed, Result.fail(expected))
    else assert.deepInclude(Result.getOrThrow(parsed), expected)
  })

  it("never repeats a password in an error", () => {
    for (const text of ["postgresql://u:hunter2@h:x", "host=h password='hunter2", "password=hunter2 !"]) {
      assert.notInclude(String(Result.getFailure(parse(text))), "hunter2")
    }
  })
})

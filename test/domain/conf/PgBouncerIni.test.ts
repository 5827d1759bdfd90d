import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { mergeIni } from "../../../src/domain/conf/PgBouncerIni.ts"

const merged = (text: string, settings: Record<string, string>) => Result.getOrThrow(mergeIni(text, settings))

const INI = `; the image's own
[databases]
*=host=localhost port=5432 auth_user=cloud_admin
; pool_mode = not here

[pgbouncer]
listen_port=6432
# how clients share connections
pool_mode = transaction
;default_pool_size=20

[users]
pool_mode=statement
`

describe("mergeIni", () => {
  it("changes what is there, adds what is not, and leaves the rest alone", () => {
    assert.strictEqual(
      merged(INI, { default_pool_size: "42", pool_mode: "session" }),
      INI.replace("pool_mode = transaction", "pool_mode=session").replace(
        ";default_pool_size=20\n",
        ";default_pool_size=20\ndefault_pool_size=42\n"
      )
    )
  })

  it("is the same when done twice", () => {
    const once = merged(INI, { default_pool_size: "42", client_tls_sslmode: "allow" })
    assert.strictEqual(merged(once, { default_pool_size: "42", client_tls_sslmode: "allow" }), once)
  })

  it("makes the section when there is none", () => {
    assert.strictEqual(merged("[databases]\n", { a: "1" }), "[databases]\n\n[pgbouncer]\na=1\n")
    assert.strictEqual(merged("", { a: "1" }), "[pgbouncer]\na=1\n")
  })

  it("changes nothing for no settings", () => assert.strictEqual(merged("no newline", {}), "no newline"))

  it("keeps includes and values with equals signs", () => {
    const text = "[pgbouncer]\n%include other.ini\nserver_check_query=select 1=1\n"
    assert.strictEqual(merged(text, { x: "a=b;c" }), `${text}x=a=b;c\n`)
  })

  for (const [name, value] of [
    ["pool_mode", "session\nauth_type=trust"],
    ["pool_mode", "a\rb"],
    ["x]\n[databases", "1"],
    ["", "1"],
    ["a b", "1"]
  ] as const) {
    it(`refuses ${JSON.stringify([name, value])}`, () => {
      assert.isTrue(Result.isFailure(mergeIni(INI, { [name]: value })))
    })
  }
})

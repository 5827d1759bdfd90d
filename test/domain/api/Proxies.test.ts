import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import { parseProxies, proxyOf } from "../../../src/domain/api/Proxies.ts"

type Environment = Readonly<Record<string, string>>

const through = (env: Environment, url: string): string | null => {
  const proxy = proxyOf(parseProxies(env), new URL(url))
  return proxy === null ? null : Redacted.value(proxy).href
}

const P = "http://p:1/"
const Q = "http://q:2/"

describe("the proxy of a request", () => {
  const chosen: ReadonlyArray<readonly [string, Environment, http: string | null, https: string | null]> = [
    ["none without variables", {}, null, null],
    ["each scheme has its own", { http_proxy: P, https_proxy: Q }, P, Q],
    ["in upper case", { HTTP_PROXY: P, HTTPS_PROXY: Q }, P, Q],
    ["the upper case counts first", { HTTP_PROXY: P, http_proxy: Q, HTTPS_PROXY: P, https_proxy: Q }, P, P],
    ["one for all", { all_proxy: P }, P, P],
    ["one for all, in upper case first", { ALL_PROXY: P, all_proxy: Q }, P, P],
    ["the scheme's own before the one for all", { http_proxy: Q, ALL_PROXY: P }, Q, P],
    ["an empty one is none", { HTTP_PROXY: "", http_proxy: Q, HTTPS_PROXY: " ", ALL_PROXY: P }, Q, P],
    ["not the variable that a CGI client can set", { HTTP_PROXY: P, REQUEST_METHOD: "GET" }, null, null],
    ["but all others under CGI", { HTTP_PROXY: P, ALL_PROXY: Q, HTTPS_PROXY: P, REQUEST_METHOD: "" }, Q, P],
    ["a bare host and port", { http_proxy: "p:1", https_proxy: "10.0.0.1:3128" }, P, "http://10.0.0.1:3128/"],
    ["over TLS", { http_proxy: "https://p", https_proxy: "HTTPS://p" }, "https://p/", "https://p/"],
    ["with credentials", { http_proxy: "http://u:w%40rd@p:1" }, "http://u:w%40rd@p:1/", null],
    ["not one of another protocol", { ALL_PROXY: "socks5://p:1", all_proxy: Q, https_proxy: "ftp://p" }, Q, Q],
    ["not one that is no URL", { http_proxy: "http://", https_proxy: "::::" }, null, null]
  ]
  for (const [name, env, http, https] of chosen) {
    it(name, () => {
      assert.deepStrictEqual([through(env, "http://host/"), through(env, "https://host/")], [http, https])
    })
  }

  it("says what it ignores, and no password", () => {
    const { warnings } = parseProxies({ ALL_PROXY: "socks5://u:secret@p:1", http_proxy: "http://" })
    assert.deepStrictEqual(warnings, [
      "http_proxy does not name an HTTP proxy (http), so it is ignored",
      "ALL_PROXY does not name an HTTP proxy (socks5), so it is ignored"
    ])
    assert.notInclude(JSON.stringify(parseProxies({ http_proxy: "http://u:secret@p:1" })), "secret")
  })

  const exceptions: ReadonlyArray<
    readonly [list: string, direct: ReadonlyArray<string>, proxied: ReadonlyArray<string>]
  > = [
    ["", [], ["host"]],
    [
      "example.com",
      ["example.com", "a.example.com", "A.B.EXAMPLE.COM:8080"],
      ["badexample.com", "example.com.org", "com"]
    ],
    [".example.com", ["example.com", "a.example.com"], ["badexample.com"]],
    ["Example.COM", ["a.example.com"], ["example.org"]],
    [" a.org , b.org,,", ["a.org", "b.org"], ["c.org", "org"]],
    ["*", ["host", "10.0.0.1", "[::1]"], []],
    ["10.0.0.1", ["10.0.0.1", "10.0.0.1:9"], ["10.0.0.10", "110.0.0.1"]],
    ["10.1.0.0/16", ["10.1.0.0", "10.1.255.255"], ["10.2.0.0", "10.0.255.255", "a.10.1.0.0.org"]],
    ["10.1.2.3/8", ["10.9.9.9"], ["11.1.2.3"]],
    ["0.0.0.0/0", ["1.2.3.4"], ["[::1]", "host"]],
    ["10.0.0.0/33,10.0.0.256", [], ["10.0.0.0", "10.0.0.1"]],
    ["::1", ["[::1]", "[0:0:0:0:0:0:0:1]"], ["[::2]", "1"]],
    ["[fd00::]", ["[fd00::]"], ["[fd00::1]"]],
    ["fd00::/8", ["[fd12:3456::1]"], ["[fe80::1]", "253.0.0.1"]],
    ["::ffff:10.0.0.0/104", ["[::ffff:10.0.0.1]"], ["10.0.0.1"]],
    ["localhost,127.0.0.1", ["localhost", "127.0.0.1"], ["127.0.0.2", "[::1]"]]
  ]
  for (const [list, direct, proxied] of exceptions) {
    it(`except for ${JSON.stringify(list)}`, () => {
      for (const variable of ["NO_PROXY", "no_proxy"]) {
        const env = { ALL_PROXY: P, [variable]: list }
        for (const host of direct) assert.isNull(through(env, `https://${host}/`), `${host} is asked itself`)
        for (const host of proxied) assert.strictEqual(through(env, `http://${host}/`), P, `${host} through the proxy`)
      }
    })
  }

  it("takes the exceptions in upper case where both are given", () => {
    assert.strictEqual(through({ ALL_PROXY: P, NO_PROXY: "", no_proxy: "*" }, "http://host/"), P)
  })
})

/**
 * Which compute is asked, with what token, and what is said when it refuses.
 */
import * as http from "node:http"
import type { AddressInfo } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { ask } from "../../../../src/cli/verbs/computes/ask.ts"
import { explained, targetOf } from "../../../../src/cli/verbs/computes/target.ts"

const none = { url: null, token: null, tokenFile: null }

/** Answers everything with what it is told, and keeps what it was asked with. */
const server = (status: number) =>
  Effect.acquireRelease(
    Effect.callback<{ readonly url: string; readonly asked: Array<string | undefined>; readonly close: () => void }>(
      (resume) => {
        const asked: Array<string | undefined> = []
        const made = http.createServer((request, response) => {
          asked.push(request.headers.authorization)
          response.writeHead(status).end(status === 200 ? "{}" : '{"error":"no"}')
        })
        made.listen(0, "127.0.0.1", () => {
          const { port } = made.address() as AddressInfo
          const close = () => {
            made.closeAllConnections()
            made.close()
          }
          resume(Effect.succeed({ url: `http://127.0.0.1:${port}`, asked, close }))
        })
      }
    ),
    ({ close }) => Effect.sync(close)
  )

const refusal = (status: number, token: string | null, change: (url: string) => string = (url) => url) =>
  Effect.gen(function* () {
    const { url } = yield* server(status)
    const target = yield* targetOf({ ...none, url: change(url), token })
    return explained(yield* Effect.flip(ask(target, "/status")), target)
  }).pipe(Effect.scoped)

describe("the compute that a verb asks", () => {
  it.live("gets the token, also when a whole header was pasted", () =>
    Effect.gen(function* () {
      const { asked, url } = yield* server(200)
      for (const token of ["a.b.c", "Bearer a.b.c", "Authorization: Bearer a.b.c\n"]) {
        yield* ask(yield* targetOf({ ...none, url, token }), "/status")
      }
      assert.deepStrictEqual(asked, ["Bearer a.b.c", "Bearer a.b.c", "Bearer a.b.c"])
    }).pipe(Effect.scoped)
  )

  it.live("explains a refusal by what can be done about it", () =>
    Effect.gen(function* () {
      assert.match(yield* refusal(404, "x"), /answered 404: no\n {2}tip: the internal server does not answer this/)
      assert.match(yield* refusal(400, null), /tip: a token is needed: --token-file FILE/)
      assert.match(yield* refusal(401, "x"), /tip: the token has to be signed with a key of this compute/)
      const tls = yield* refusal(200, "x", (url) => url.replace("http:", "https:"))
      assert.match(tls, /^cannot reach https:\S+\n {2}tip: this server speaks no TLS: --url http:\/\/127/)
    })
  )

  it.live("is the one of this machine unless told otherwise; the token is no secret's leak", () =>
    Effect.gen(function* () {
      const target = yield* targetOf({ ...none, token: "secret" })
      assert.strictEqual(target.url, "http://localhost:3080")
      assert.notInclude(JSON.stringify(target), "secret")
      assert.strictEqual(target.token === null ? null : Redacted.value(target.token), "secret")
    })
  )
})

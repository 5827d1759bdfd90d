import { IncomingMessage } from "node:http"
import { Socket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { forRouter, type Sent } from "../../../../src/http/server/incoming/Request.ts"

const sent = (): Sent => {
  const message = new IncomingMessage(new Socket())
  message.headers = { authorization: "Bearer x" }
  return { method: "GET", url: "/a?b=c", path: "/a", query: "b=c", message, id: "1", body: () => Effect.die("unread") }
}

describe("a request for the router", () => {
  it("has no getter of its own, which would keep every request until the old generation is collected", () => {
    const own = Object.values(Object.getOwnPropertyDescriptors(forRouter(sent(), "/a")))
    assert.deepStrictEqual(
      own.filter(({ get }) => get !== undefined),
      []
    )
  })

  it("says where it goes, where it went, and what came with it", () => {
    const request = forRouter(sent(), "/-")
    assert.deepStrictEqual([request.method, request.url, request.originalUrl], ["GET", "/-", "/a?b=c"])
    assert.strictEqual(request.headers["authorization"], "Bearer x")
    const changed = request.modify({ url: "/other" }).modify({ protocol: "https" })
    assert.deepStrictEqual([changed.url, changed.originalUrl, changed.protocol], ["/other", "/a?b=c", "https"])
    assert.strictEqual(request.url, "/-")
  })
})

import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { configUrl, interpret, pauseAfter } from "../../../src/domain/api/ControlPlaneAnswer.ts"
import { run } from "../../../src/domain/json/Steps.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const config = '"compute_ctl_config":{"jwks":{"keys":[]}}'

describe("an answer of the control plane", () => {
  const refusals: ReadonlyArray<readonly [code: number, status: string, body: string, again: boolean, text: RegExp]> = [
    [503, "503 Service Unavailable", "", true, /^control plane is temporarily unavailable$/],
    [502, "502 Bad Gateway", "", true, /^control plane request failed with 502$/],
    [404, "404 Not Found", "", false, /^unexpected control plane response status code: 404 Not Found$/],
    [401, "401 Unauthorized", "", false, /^unexpected control plane response status code: 401 Unauthorized$/],
    [429, "429 Too Many Requests", "", true, /^unexpected control plane response status code: 429 Too Many Requests$/],
    [408, "408 Request Timeout", "", true, /^unexpected .* 408 Request Timeout$/],
    [500, "500 Internal Server Error", "", true, /^unexpected .* 500 Internal Server Error$/],
    [504, "504 Gateway Timeout", "", true, /^unexpected .* 504 Gateway Timeout$/],
    [200, "200 OK", `{"status":"attached","spec":null,${config}}`, false, /^compute is attached, but spec is empty$/],
    [200, "200 OK", `{"status":"new","spec":null,${config}}`, true, /^could not deserialize .*unknown variant `new`/],
    [200, "200 OK", "<html>", true, /^could not deserialize control plane response: /]
  ]
  for (const [code, status, body, again, text] of refusals) {
    it(`${status} ${body.slice(0, 24)}: ${again ? "ask again" : "the end"}`, () => {
      const refusal = Result.getOrThrow(Result.flip(run(interpret(code, status, bytes(body)))))
      assert.strictEqual(refusal.again, again)
      assert.match(refusal.message, text)
    })
  }

  it("that the compute is empty is a configuration", () => {
    const answer = run(interpret(200, "200 OK", bytes(`{"status":"empty","spec":null,${config}}`)))
    assert.strictEqual(Result.getOrThrow(answer).spec, null)
  })

  it("that is not UTF-8 is not read with other characters in its place", () => {
    const answer = bytes(`{"note":"?","status":"empty","spec":null,${config}}`)
    answer[answer.indexOf(0x3f)] = 0xff
    const refusal = Result.getOrThrow(Result.flip(run(interpret(200, "200 OK", answer))))
    assert.isTrue(refusal.again)
    assert.strictEqual(refusal.message, "could not deserialize control plane response: invalid unicode code point")
  })
})

describe("the pause before the next question", () => {
  it("doubles, with a fifth of it left to chance", () => {
    const pauses = [1, 2, 3, 4].map((failures) => pauseAfter(failures, null, 0.5))
    assert.deepStrictEqual(pauses, [100, 200, 400, 800])
    assert.deepStrictEqual([pauseAfter(1, null, 0), pauseAfter(1, null, 1)], [80, 120])
  })

  it("is as long as the answer asks for, within reason", () => {
    assert.strictEqual(pauseAfter(1, "3", 0.5), 3000)
    assert.strictEqual(pauseAfter(1, "86400", 0.5), 10_000)
    assert.strictEqual(pauseAfter(1, "Wed, 21 Oct 2026 07:28:00 GMT", 0.5), 100)
  })
})

describe("the address of the configuration", () => {
  const cases: ReadonlyArray<readonly [base: string, id: string, url: string]> = [
    ["http://cp", "c-1", "http://cp/compute/api/v2/computes/c-1/spec"],
    ["http://cp/base//", "c-1", "http://cp/base/compute/api/v2/computes/c-1/spec"],
    ["http://cp", "ep?1/c #1", "http://cp/compute/api/v2/computes/ep%3F1/c%20%231/spec"]
  ]
  for (const [base, id, url] of cases) it(`${base} and ${id}`, () => assert.strictEqual(configUrl(base, id), url))
})

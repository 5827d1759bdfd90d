import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import { renderSteps } from "../../src/domain/conf/PostgresConf.ts"
import { decodeJson } from "../../src/domain/json/decode/Decode.ts"
import type { Steps } from "../../src/domain/json/Steps.ts"
import { ComputeSpec } from "../../src/domain/spec/ComputeSpec.ts"
import { parseSpec, parseSteps } from "../../src/domain/spec/ParsedSpec.ts"
import { controlFiles } from "../../src/domain/spec/RemoteExtensions.ts"
import { growth } from "../rig/proportion.ts"

const spec = (more: object) =>
  Result.getOrThrow(
    decodeJson(
      ComputeSpec,
      JSON.stringify({
        format_version: 1,
        suspend_timeout_seconds: -1,
        tenant_id: "b0554b632bd4d547a63b86c3630317e8",
        timeline_id: "1e8a3f1d2c4b5a69788796a5b4c3d2e1",
        pageserver_connstring: "host=ps port=6400",
        safekeeper_connstrings: ["a:1"],
        cluster: { roles: [], databases: [] },
        ...more
      })
    )
  )

describe("large specs", () => {
  it("look each of many extensions up once", () => {
    const remote = (count: number) => {
      const names = Array.from({ length: count }, (_, index) => `e${index}`)
      return {
        public_extensions: names,
        custom_extensions: null,
        library_index: {},
        extension_data: Object.fromEntries(
          names.map((name) => [name, { control_data: { [`${name}.control`]: "" }, archive_path: "" }])
        )
      }
    }
    assert.strictEqual(controlFiles(remote(3000)).length, 3000)
    assert.isBelow(growth(controlFiles, remote(3000), remote(30_000)), 40)
  })

  it("of many settings are checked and rendered in steps", () => {
    const settings = Array.from({ length: 20_000 }, (_, at) => ({ name: `a.s${at}`, value: "v", vartype: "string" }))
    const given = spec({ cluster: { roles: [], databases: [], settings } })
    const stepsOf = <A>(steps: Steps<A>) => {
      let count = 0
      let last = steps.next()
      for (; last.done !== true; last = steps.next()) count += 1
      return { count, value: last.value }
    }
    const parsed = stepsOf(parseSteps(given))
    assert.isTrue(Result.isSuccess(parsed.value))
    assert.isAtLeast(parsed.count, 10)
    const rendered = stepsOf(
      renderSteps(given, {
        internalHttpPort: 1,
        tls: false,
        strictOvercommit: false,
        privilegedRole: "neon_superuser",
        lakebase: null
      })
    )
    assert.include(Result.getOrThrow(rendered.value), "a.s19999 = 'v'\n# Managed by compute_ctl: end\n")
    assert.isAtLeast(rendered.count, 10)
  })

  it("have as many safekeepers as can be asked", () => {
    const many = (count: number) => ({
      safekeeper_connstrings: Array.from({ length: count }, (_, index) => `sk-${index}:1`)
    })
    assert.isTrue(Result.isSuccess(parseSpec(spec(many(1000)))))
    const fault = Result.getOrThrow(Result.flip(parseSpec(spec(many(1001)))))
    assert.strictEqual(fault.message, "more than 1000 safekeepers")
  })
})

import * as fs from "node:fs"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Children } from "../../../../src/layers/machine/child/Children.ts"
import { isLifted, removeCoreLimit } from "../../../../src/layers/machine/process/CoreLimit.ts"

const line = (soft: string, hard: string) =>
  `Max file size             unlimited            unlimited            bytes\nMax core file size        ${soft.padEnd(20)} ${hard.padEnd(20)} bytes\n`

describe("The limit of core dumps", () => {
  it("is known from what the system says of us", () => {
    assert.isTrue(isLifted(line("unlimited", "unlimited")))
    for (const [soft, hard] of [
      ["0", "unlimited"],
      ["0", "0"],
      ["unlimited", "4096"]
    ] as const) {
      assert.isFalse(isLifted(line(soft, hard)))
    }
    assert.isFalse(isLifted(""))
  })

  it.effect("costs a process only where there is one", () =>
    Effect.gen(function* () {
      const called: Array<string> = []
      const children = Layer.succeed(Children, {
        spawn: () => Effect.die("not asked for"),
        run: (program) =>
          Effect.sync(() => {
            called.push(program)
            return { ended: { _tag: "Exited", code: 0 } as const, stdout: "", stderr: "" }
          })
      })
      yield* Effect.provide(removeCoreLimit, children)
      const limits = fs.existsSync("/proc/self/limits") ? fs.readFileSync("/proc/self/limits", "latin1") : ""
      assert.deepStrictEqual(called, isLifted(limits) ? [] : ["/usr/bin/prlimit"])
    })
  )
})

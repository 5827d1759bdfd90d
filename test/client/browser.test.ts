/**
 * The client, bundled as others would bundle it, in a real browser.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { build } from "esbuild"
import { blank, isMissing } from "../console/browser.ts"
import * as rig from "../http/rig.ts"
import { root } from "../rig/postgres.ts"

const PROGRAM = `
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as Compute from "./packages/client/src/Compute.ts"

globalThis.run = (token, other) => Effect.gen(function* () {
  const { awaitStatus, events } = yield* Compute.make({ url: location.origin, token })
  const { status } = yield* awaitStatus("running", { limit: "30 seconds" })
  const first = yield* Stream.runHead(events)
  const stranger = yield* Compute.make({ url: location.origin, token: other })
  const refusal = yield* Effect.flip(stranger.status)
  return { status, first: first.value.status, refusal: refusal._tag }
}).pipe(Effect.runPromise)
`

const bundled = Effect.promise(() =>
  build({
    stdin: { contents: PROGRAM, resolveDir: root },
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    platform: "browser"
  }).then(({ outputFiles }) => outputFiles[0]?.text ?? "")
)

describe.skipIf(isMissing)("the client in a browser (needs Chromium)", () => {
  it.live(
    "asks, listens, and gets refusals with their tags",
    () =>
      Effect.gen(function* () {
        yield* rig.running
        const { external } = yield* rig.serveAll()
        const script = yield* bundled
        const { page } = yield* blank()
        const told = yield* Effect.promise(async () => {
          await page.goto(`http://127.0.0.1:${external.port}/livez`)
          await page.addScriptTag({ content: script })
          const tokens = [rig.tokenOf(rig.admin), rig.tokenOf({ compute_id: "another" })]
          return await page.evaluate<unknown>(`run(...${JSON.stringify(tokens)})`)
        })
        assert.deepStrictEqual(told, { status: "running", first: "running", refusal: "Forbidden" })
      }).pipe(Effect.provide(rig.layerRig)),
    120_000
  )
})

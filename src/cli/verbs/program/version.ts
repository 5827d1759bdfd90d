/**
 * `compute_ctl version`: `--version` is no flag of the drop-in form.
 */
import * as Effect from "effect/Effect"
import { BUILD_TAG } from "../../buildTag.ts"
import { print } from "../../output.ts"

export const version = ({ json }: { readonly json: boolean }): Effect.Effect<number> => {
  const build = { build_tag: BUILD_TAG, node: process.versions.node, platform: `${process.platform}-${process.arch}` }
  const line = `compute_ctl ${build.build_tag} (Node ${build.node}, ${build.platform})`
  return Effect.as(print(json ? JSON.stringify(build, null, 2) : line), 0)
}

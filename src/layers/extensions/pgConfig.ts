/**
 * What the Postgres installation says of itself: its major version and where its extensions live.
 *
 * Source: `compute_tools/src/extension_server.rs` (`get_pg_config`), `compute_tools/src/compute.rs` (`get_pg_version`).
 */
import { dirname, join } from "node:path"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import { type Children, describeEnd } from "../machine/child/Children.ts"

/** `pg_config` is not beside the Postgres binary, or gives no answer. */
export class NoPgConfig extends Data.TaggedError("NoPgConfig")<{ readonly message: string }> {}

export interface Installation {
  readonly major: number
  readonly sharedir: string
  readonly pkglibdir: string
}

const LIMIT = "10 seconds"

export const askInstallation = (
  children: Children["Service"],
  pgbin: string
): Effect.Effect<Installation, NoPgConfig> => {
  const program = join(dirname(pgbin), "pg_config")
  const ask = Effect.fnUntraced(function* (question: string) {
    const { ended, stdout } = yield* children
      .run(program, { args: [question], timeout: LIMIT })
      .pipe(Effect.mapError(({ message }) => new NoPgConfig({ message })))
    const answer = stdout.trim()
    if (ended._tag === "Exited" && ended.code === 0 && answer !== "") return answer
    return yield* new NoPgConfig({ message: `${program} ${question} ended with ${describeEnd(ended)}: ${answer}` })
  })
  return Effect.gen(function* () {
    const [version, sharedir, pkglibdir] = yield* Effect.all(
      [ask("--version"), ask("--sharedir"), ask("--pkglibdir")],
      {
        concurrency: "unbounded"
      }
    )
    const major = Number(/^PostgreSQL (\d+)/.exec(version)?.[1])
    if (Number.isNaN(major)) return yield* new NoPgConfig({ message: `not a version of Postgres: ${version}` })
    return { major, sharedir, pkglibdir }
  })
}

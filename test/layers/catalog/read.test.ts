import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { readSnapshot } from "../../../src/layers/catalog/look/read.ts"
import type { SqlSession } from "../../../src/layers/sql/Sql.ts"
import { specOf } from "../../domain/catalog/parts.ts"
import { spec } from "../../programs/fakes.ts"

/** The first statement, which is all that a server without an answer is asked. */
const asked = (parsed: Parameters<typeof readSnapshot>[1], lakebase: boolean) =>
  Effect.gen(function* () {
    const statements: Array<string> = []
    const session: SqlSession = {
      backend: null,
      query: (text) =>
        Effect.sync(() => {
          statements.push(text)
          return []
        }),
      script: () => Effect.void
    }
    yield* Effect.flip(readSnapshot(session, parsed, { privilegedRole: "neon_superuser", lakebase }))
    return statements[0] ?? ""
  })

it.effect("a cold server is asked for nothing that no step of the spec looks at", () =>
  Effect.gen(function* () {
    const catalogs = ["pg_subscription", "pg_db_role_setting", "statement_timeout="]
    const named = (statement: string) => catalogs.filter((name) => statement.includes(name))
    assert.deepStrictEqual(named(yield* asked(specOf({}), false)), [])
    assert.deepStrictEqual(named(yield* asked(spec({ drop_subscriptions_before_start: true }), false)), [
      "pg_subscription"
    ])
    const deletes = specOf({ ops: [{ action: "delete_db", name: "d" }] })
    assert.deepStrictEqual(named(yield* asked(deletes, false)), ["pg_subscription"])
    assert.deepStrictEqual(named(yield* asked(spec({ audit_log_level: "Hipaa" }), false)), ["pg_db_role_setting"])
    assert.deepStrictEqual(named(yield* asked(specOf({}), true)), ["pg_db_role_setting", "statement_timeout="])
  })
)

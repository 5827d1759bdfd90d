import type * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { SqlFailed } from "../../../sql/errors.ts"
import type { SqlSession } from "../../../sql/Sql.ts"

/** Opens a session beside the one at work, in our own database unless another is named. */
export type Look = (database?: string) => Effect.Effect<SqlSession, SqlFailed, Scope.Scope>

/**
 * Looks whether what stands under a name of ours is ours, just before it is used.
 */
import * as Effect from "effect/Effect"
import { anyFault, functionFault, partOf, schemaFault } from "../../domain/catalog/Ownership.ts"
import { named } from "../../domain/catalog/plan/Step.ts"
import { SqlFailed } from "../sql/errors.ts"
import type { SqlSession } from "../sql/Sql.ts"

/** `fault`: an expression of `Ownership`. */
export const faultOf = (session: SqlSession, fault: string): Effect.Effect<string | null, SqlFailed> =>
  Effect.map(session.query<{ fault: string | null }>(`SELECT ${fault} AS fault`), ([row]) => row?.fault ?? null)

export const notOurs = (object: string, fault: string): SqlFailed =>
  SqlFailed.of(`${object} is not ours: ${fault}`, "55000")

/** Fails with the name of the object when it is not ours. */
export const ensureOurs = (session: SqlSession, object: string, fault: string): Effect.Effect<void, SqlFailed> =>
  Effect.flatMap(faultOf(session, fault), (found) => (found === null ? Effect.void : notOurs(object, found)))

/** Functions of the neon extension, which only superusers can have put into its schema. */
export const ensureNeonFunctions = (
  session: SqlSession,
  ...names: ReadonlyArray<string>
): Effect.Effect<void, SqlFailed> =>
  ensureOurs(
    session,
    names.map((name) => named("function", `neon.${name}`)).join(" or "),
    anyFault(schemaFault("neon"), ...names.map((name) => functionFault("neon", name, partOf("neon"))))
  )

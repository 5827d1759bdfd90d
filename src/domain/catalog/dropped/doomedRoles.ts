/**
 * What has to go before a role can: DROP ROLE refuses as long as anything in any database refers to it.
 *
 * Source: `compute_tools/src/spec_apply.rs` (`DeleteDBRoleReferences`, `DropRoles`),
 * `compute_tools/src/sql/pre_drop_role_revoke_privileges.sql`; PostgreSQL `src/backend/catalog/{pg_shdepend,aclchk}.c`.
 */
import { ident } from "../../postgres/Quote.ts"
import { named, type Step, step } from "../plan/Step.ts"
import { revokeForeignGrants } from "./foreignGrants.ts"
import { passOn, passOnSome, SOME } from "./passOn.ts"

/** A database in which something refers to a doomed role; objects of the whole cluster count for that of our sessions. */
export interface Reference {
  readonly role: string
  readonly database: string
  /** False: it takes no connections, so nothing can be cleared in it. */
  readonly enterable: boolean
  /** Who gets what the role owns in it: the database's owner. */
  readonly heir: string
  /** How many objects that is. */
  readonly owned: number
}

/** A database whose owner is a doomed role. It passes to the role of our own sessions. */
export type OwnedDatabase = Omit<Reference, "enterable" | "owned">

export const giveAway = ({ role, database, heir }: OwnedDatabase): Step =>
  step(
    named("role", role),
    `to be deleted: its database ${JSON.stringify(database)} passes to ${JSON.stringify(heir)}`,
    `ALTER DATABASE ${ident(database)} OWNER TO ${ident(heir)}`
  )

/** Up to as many it is one transaction. */
const FEW = 500

/** What comes before, where there is much: enough that the rest is little. */
export const passOnMuch = (reference: Reference): ReadonlyArray<Step> => {
  const { role, database, heir, owned } = reference
  const rounds = owned <= FEW ? 0 : Math.ceil(owned / SOME)
  return Array.from({ length: rounds }, () =>
    step(
      named("role", role),
      `to be deleted: some of the ${owned} objects that it owns pass to ${JSON.stringify(heir)}`,
      `/* for ${SOME} objects */ ALTER ... OWNER TO ${ident(heir)}`,
      { database, statement: passOnSome(reference), alone: true }
    )
  )
}

/**
 * In one database; idempotent. One step, and so one transaction: DROP OWNED after a REASSIGN OWNED that failed would drop
 * what should have passed on.
 */
export const clearRole = (reference: Reference, version: number): Step => {
  const { role, database, heir } = reference
  const reassign = `REASSIGN OWNED BY ${ident(role)} TO ${ident(heir)}`
  const dropOwned = `DROP OWNED BY ${ident(role)}`
  return step(
    named("role", role),
    `to be deleted: what it owns passes to ${JSON.stringify(heir)}, what it was given or has given goes`,
    [reassign, `/* as each giver */ REVOKE ... FROM ${ident(role)} CASCADE`, dropOwned].join(";\n"),
    {
      database,
      statement: [passOn(reference, version), revokeForeignGrants(role, version), dropOwned].join(";\n"),
      alone: true
    }
  )
}

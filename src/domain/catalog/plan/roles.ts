/**
 * Roles: the privileged one, those of the spec, renamed and dropped ones.
 *
 * Source: `compute_tools/src/spec_apply.rs` (`CreatePrivilegedRole`, `RenameRoles`, `CreateAndAlterRoles`, `DropRoles`).
 */

import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { flatMapSteps, type Steps } from "../../json/Steps.ts"
import { ident, literal } from "../../postgres/Quote.ts"
import type { ComputeSpec, Role } from "../../spec/ComputeSpec.ts"
import { passwordVerifier } from "../../spec/PasswordVerifier.ts"
import { stored } from "../Name.ts"
import { isPrivileged } from "../RoleMark.ts"
import { HIDDEN, isPlain, roleStatement } from "./clauses.ts"
import { type Draft, markOf } from "./Draft.ts"
import * as Outcome from "./Outcome.ts"
import { named, quotedName, type Step, step } from "./Step.ts"

export const privilegedRole = (draft: Draft): ReadonlyArray<Step> => {
  const { privilegedRole: name, lakebase } = draft.settings
  if (!draft.snapshot.superuser) return draft.refuse("the role of our own sessions is no superuser in this cluster")
  const mark = markOf(draft.snapshot, name)
  if (mark !== undefined && !isPrivileged(mark)) {
    return draft.refuse(`${named("role", name)} is not ours: a tenant has made it, so it cannot be the privileged role`)
  }
  if (draft.roles.has(name)) return []
  draft.roles.set(name, null)
  const replication = lakebase ? "" : "REPLICATION "
  return [
    step(
      named("role", name),
      "the privileged role is missing",
      `CREATE ROLE ${name} CREATEDB CREATEROLE NOLOGIN ${replication}BYPASSRLS IN ROLE pg_read_all_data, pg_write_all_data`,
      { provides: [Outcome.role(name)] }
    )
  ]
}

/** A rename clears an MD5 password, whose salt is the name; forgetting it here makes the next phase set it anew. */
export const renameRoles = (spec: ComputeSpec, draft: Draft): Steps<ReadonlyArray<Step>> =>
  flatMapSteps(spec.delta_operations ?? [], (op): ReadonlyArray<Step> => {
    if (op.action !== "rename_role") return []
    if (op.new_name === null) return draft.refuse(`rename_role of ${quotedName(op.name)} has no new_name`)
    if (!draft.roles.has(stored(op.name))) return []
    const from = Outcome.role(op.name)
    const to = Outcome.role(op.new_name)
    const rename = step(
      named("role", op.name),
      `to be renamed to ${quotedName(op.new_name)}`,
      `ALTER ROLE ${ident(op.name)} RENAME TO ${ident(op.new_name)}`,
      { needs: [from], provides: [to, Outcome.freed(from)] }
    )
    // The server is going to refuse it, and both stay what they are.
    if (draft.roles.has(stored(op.new_name))) return [{ ...rename, provides: [] }]
    draft.roles.delete(stored(op.name))
    draft.roles.set(stored(op.new_name), null)
    return [rename]
  })

/** Roles that local_proxy logs in after it has checked a JWT: they must stay subject to row level security. */
const jwtRoles = (spec: ComputeSpec): ReadonlySet<string> =>
  new Set((spec.local_proxy_config?.jwks ?? []).flatMap(({ role_names }) => role_names.map(stored)))

type Password = Redacted.Redacted<string> | null

/** As Postgres stores it, or why it may not be stored. */
const passwordOf = ({ encrypted_password }: Role): Result.Result<Password, string> =>
  encrypted_password === null
    ? Result.succeed(null)
    : Result.map(
        passwordVerifier(Redacted.value(encrypted_password)),
        (verifier): Password => (verifier === null ? null : Redacted.make(verifier))
      )

const samePassword = (wanted: Password, found: Password): boolean =>
  wanted === null || found === null ? wanted === found : Redacted.value(wanted) === Redacted.value(found)

/** Roles whose password is none that may be stored: their place in the list, their name and the reason. */
export const refusedRoles = (
  spec: ComputeSpec
): ReadonlyArray<{ readonly index: number; readonly name: string; readonly reason: string }> =>
  spec.cluster.roles.flatMap((role, index) => {
    const password = passwordOf(role)
    return Result.isFailure(password) ? [{ index, name: role.name, reason: password.failure }] : []
  })

/**
 * The verifier is written where PASSWORD would write it, unchanged. As a literal it would be seen in `pg_stat_activity`,
 * `pg_stat_statements` and the server's log; and PASSWORD costs the server some milliseconds for every role, since it runs
 * the whole key derivation to find out whether the password is empty.
 */
const withPassword = (statement: string, role: Role, password: Password): Pick<Step, "password" | "sql"> => {
  if (password === null) return { sql: statement, password }
  const set = `UPDATE pg_catalog.pg_authid SET rolpassword = ${HIDDEN} WHERE rolname OPERATOR(pg_catalog.=) ${literal(stored(role.name))}`
  // One text, and not the tree of its parts: there may be a hundred thousand.
  return { sql: [statement, set].join("; "), password: { role: stored(role.name), verifier: password } }
}

export const createAndAlterRoles = (spec: ComputeSpec, draft: Draft): Steps<ReadonlyArray<Step>> => {
  const jwt = jwtRoles(spec)
  const settled = (role: Role, password: Result.Result<Password, string>) => {
    const found = draft.roles.get(stored(role.name))
    return found !== undefined && Result.isSuccess(password) && samePassword(password.success, found)
  }
  return flatMapSteps(spec.cluster.roles, (role): ReadonlyArray<Step> => {
    const password = passwordOf(role)
    const name = stored(role.name)
    const found = draft.roles.get(name)
    if (settled(role, password)) return []
    const own = Outcome.role(role.name)
    const made = { needs: [Outcome.freed(own)], provides: [own] }
    const changed = { needs: [own], provides: [] }
    if (Result.isFailure(password)) {
      const head = `${found === undefined ? "CREATE" : "ALTER"} ROLE ${ident(role.name)} PASSWORD ${HIDDEN}`
      return [
        step(named("role", role.name), "its password cannot be set", head, {
          refused: password.failure,
          ...(found === undefined ? made : changed)
        })
      ]
    }
    draft.roles.set(name, password.success)
    const written = (reason: string, head: string, outcomes: Pick<Step, "needs" | "provides">) => {
      const wanted = { ...role, encrypted_password: password.success }
      const statement = roleStatement(head, wanted)
      const { sql, ...more } = withPassword(statement, wanted, password.success)
      const alone = !isPlain(role.options)
      return [step(named("role", role.name), reason, sql, { ...more, statement, alone, ...outcomes })]
    }
    const create = `CREATE ROLE ${ident(role.name)}`
    if (found !== undefined) return written("its password differs", `ALTER ROLE ${ident(role.name)}`, changed)
    if (jwt.has(name)) return written("missing; authenticated by JWT", create, made)
    const { privilegedRole } = draft.settings
    return written("missing", `${create} INHERIT CREATEROLE CREATEDB BYPASSRLS REPLICATION IN ROLE ${privilegedRole}`, {
      ...made,
      needs: [...made.needs, Outcome.role(privilegedRole)]
    })
  })
}

export const dropRoles = (spec: ComputeSpec, draft: Draft): Steps<ReadonlyArray<Step>> =>
  flatMapSteps(spec.delta_operations ?? [], (op): ReadonlyArray<Step> => {
    const name = stored(op.name)
    if (op.action !== "delete_role" || !draft.roles.delete(name)) return []
    // What it gave and was given is everywhere, and would be gone before the server refused.
    const refused = name === draft.settings.privilegedRole ? { refused: "it is the privileged role" } : {}
    return [
      step(named("role", name), "to be deleted", `DROP ROLE IF EXISTS ${ident(name)}`, { doomed: name, ...refused })
    ]
  })

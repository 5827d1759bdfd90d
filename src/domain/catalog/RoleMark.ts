/**
 * Whether a role that we give rights to by its name is the one that we, or the control plane, have made. Tenants make roles
 * of any name.
 *
 * Source: PostgreSQL documentation, "pg_auth_members": from 16 on whoever creates a role without being a superuser is made
 * its administrator by the bootstrap superuser, and cannot undo it. On every version the grantor of a membership is who
 * gave it.
 */
import * as Schema from "effect/Schema"

export const RoleMark = Schema.Struct({
  name: Schema.String,
  superuser: Schema.Boolean,
  login: Schema.Boolean,
  /** A superuser has made it a member of some role, as we do when we create one. */
  given: Schema.Boolean,
  /** A superuser has made it a member of `pg_monitor`. */
  monitor: Schema.Boolean,
  /** It was created by a role that is no superuser, and that still exists. Always false before 16. */
  created: Schema.Boolean,
  /** Somebody who is no superuser has made others its members. */
  shared: Schema.Boolean
})
export type RoleMark = typeof RoleMark.Type

/** Ours has no LOGIN: without that, and without members of a tenant's choice, nobody can act as it. */
export const isPrivileged = (mark: RoleMark): boolean => mark.given || !(mark.created || mark.shared || mark.login)

/** Nothing else is made with this membership, and only a superuser can give it in a superuser's name. */
export const isMonitor = (mark: RoleMark): boolean => mark.monitor

/**
 * `listed`: the spec has it, and with that its password. One that it does not list any more is known by its membership in
 * the privileged role.
 */
export const isWebAccess = (mark: RoleMark, listed: boolean): boolean =>
  !mark.created && (mark.given || (listed && !mark.shared))

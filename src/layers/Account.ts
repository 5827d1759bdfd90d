/**
 * Whose processes Postgres and its tools are. Postgres refuses to run as root, so as root they get an unprivileged account.
 */
import * as Context from "effect/Context"

export interface PostgresAccount {
  readonly uid: number
  readonly gid: number
  readonly name: string
}

/** Null when we are an ordinary user already. */
export class Account extends Context.Tag("compute/Account")<Account, { readonly postgres: PostgresAccount | null }>() {}

/**
 * The catalog as it was found, as far as a plan depends on it.
 */

import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { decodeSteps, type JsonRejected } from "../json/decode/Decode.ts"
import { flatMapSteps, type Steps } from "../json/Steps.ts"
import { parseControlFile } from "./ControlFile.ts"
import type { Inspection } from "./Inspection.ts"
import { RoleMark } from "./RoleMark.ts"

/** `pg_database.datconnlimit` of a database whose DROP was interrupted: nobody can connect, only dropping again helps. */
export const INVALID = -2

export interface DatabaseRow {
  readonly oid: number
  readonly name: string
  readonly owner: string
  readonly template: boolean
  readonly connectable: boolean
  /** `pg_database.datconnlimit`. */
  readonly limit: number
}

const Extension = Schema.Struct({
  name: Schema.String,
  version: Schema.String,
  schema: Schema.String,
  relocatable: Schema.Boolean,
  /** A superuser has made it. */
  ours: Schema.Boolean
})

/** Why objects of our names are not ours, as text to stand behind the name; null when they are, or when there are none. */
export const Faults = Schema.Struct({
  schemaNeon: Schema.NullOr(Schema.String),
  healthCheck: Schema.NullOr(Schema.String),
  /** Triggers on it, and roles with rights on it; null for all roles. */
  healthCheckTriggers: Schema.Array(Schema.String),
  healthCheckGrantees: Schema.Array(Schema.NullOr(Schema.String)),
  subscriptionsDone: Schema.NullOr(Schema.String),
  /** `public.pg_stat_statements`. */
  statements: Schema.NullOr(Schema.String),
  perfCounters: Schema.NullOr(Schema.String),
  writeFunction: Schema.NullOr(Schema.String)
})
export type Faults = typeof Faults.Type

export const NO_FAULTS: Faults = {
  schemaNeon: null,
  healthCheck: null,
  healthCheckTriggers: [],
  healthCheckGrantees: [],
  subscriptionsDone: null,
  statements: null,
  perfCounters: null,
  writeFunction: null
}

export const faultsSteps = (json: string): Steps<Result.Result<Faults, JsonRejected>> =>
  decodeSteps(Faults, json, { trailing: "refuse" })

const Document = Schema.Struct({
  /** `server_version_num`. */
  version: Schema.Number,
  /** When this server started, in a form that only serves comparison. */
  started: Schema.String,
  /** The database of our own sessions. */
  system: Schema.String,
  /** Whether we act as a superuser. */
  superuser: Schema.Boolean,
  /** `neon.timeline_id`. */
  timeline: Schema.NullOr(Schema.String),
  /** The timeline for which inherited subscriptions have been dropped; null when none has, or nobody asked. */
  subscriptionsDroppedFor: Schema.NullOr(Schema.String),
  /** Names and verifiers, index by index. */
  roles: Schema.Struct({
    names: Schema.Array(Schema.String),
    passwords: Schema.Array(Schema.NullOr(Schema.String))
  }),
  databases: Schema.Array(
    Schema.Struct({
      oid: Schema.Number,
      name: Schema.String,
      owner: Schema.String,
      template: Schema.Boolean,
      connectable: Schema.Boolean,
      limit: Schema.Number
    })
  ),
  /** Names of databases that have subscriptions. */
  subscribers: Schema.Array(Schema.String),
  /** Extensions of the system database. */
  extensions: Schema.Array(Extension),
  /** The neon extension's control file; null when there is none. */
  neonControl: Schema.NullOr(Schema.String),
  schemaNeon: Schema.Boolean,
  healthCheck: Schema.Boolean,
  /** It is a superuser's table, nobody else has rights on it, and it has neither triggers nor rules. */
  healthCheckPlain: Schema.Boolean,
  /** Of roles that we give rights to by their name, as far as there are any. */
  marks: Schema.Array(RoleMark),
  /** Settings of database `postgres`, as `name=value`. */
  postgresSettings: Schema.Array(Schema.String),
  /** `databricks.reader_statement_timeout`. */
  readerTimeout: Schema.NullOr(Schema.String),
  /** Role-wide `statement_timeout`s. */
  roleTimeouts: Schema.Array(Schema.Struct({ role: Schema.String, timeout: Schema.String }))
})
type Document = typeof Document.Type

export interface Snapshot extends Omit<Document, "roles" | "neonControl"> {
  /** The version of the neon extension that the files on disk would install; null when there are none. */
  readonly neonAvailable: string | null
  readonly roles: ReadonlyMap<string, Redacted.Redacted<string> | null>
  /** Oids of databases whose inherited subscriptions this process has dropped, or that had none. */
  readonly cleaned?: ReadonlySet<number>
  readonly faults: Faults
  /** By name, for databases that somebody has looked into. */
  readonly inspections: ReadonlyMap<string, Inspection>
}

/** Reads the answer of the server; anything unexpected in it is an error, because a lost row leads to "already exists". */
export function* snapshotSteps(json: string): Steps<Result.Result<Snapshot, JsonRejected>> {
  const decoded = yield* decodeSteps(Document, json, { trailing: "refuse" })
  if (Result.isFailure(decoded)) return Result.fail(decoded.failure)
  const { neonControl, roles, ...rest } = decoded.success
  const found = yield* flatMapSteps(roles.names, (name, index) => {
    const password = roles.passwords[index] ?? null
    return [[name, password === null ? null : Redacted.make(password)] as const]
  })
  return Result.succeed({
    ...rest,
    neonAvailable: neonControl === null ? null : (parseControlFile(neonControl).get("default_version") ?? null),
    faults: NO_FAULTS,
    roles: new Map(found),
    inspections: new Map<string, Inspection>()
  })
}

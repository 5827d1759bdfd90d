/**
 * Catalog changes as values: what would be done, to what, and why.
 */
import * as Redacted from "effect/Redacted"
import { excerpt } from "../../json/Excerpt.ts"

/**
 * The phases in the order in which they are planned, and the stage in which an apply runs each: a phase without a stage, or
 * a stage that is not run, does not compile.
 */
const stages = {
  "drop subscriptions of databases to be deleted": "unsubscribe",
  "privileged role": "cluster",
  "databricks roles": "cluster",
  "databricks reader timeouts": "cluster",
  "drop invalid databases": "cluster",
  "rename roles": "cluster",
  "create and alter roles": "cluster",
  "rename and delete databases": "cluster",
  "create and alter databases": "create",
  "grant databases": "grant",
  "schema neon": "prepare",
  databases: "visit",
  "other extensions": "extend",
  "neon extension": "extend",
  "databricks auth extension": "extend",
  "availability check": "extend",
  "drop roles": "drop",
  "databricks grants": "conclude",
  "databricks functions": "conclude",
  "record dropped subscriptions": "conclude",
  audit: "conclude"
} as const

export type PhaseName = keyof typeof stages
export type StageName = (typeof stages)[PhaseName]

const isPhase = (name: string): name is PhaseName => Object.hasOwn(stages, name)

export const phaseNames: ReadonlyArray<PhaseName> = Object.keys(stages).filter(isPhase)

export const stageOf = (phase: PhaseName): StageName => stages[phase]

export interface RolePassword {
  readonly role: string
  readonly verifier: Redacted.Redacted<string>
}

export interface Step {
  /** What it changes, as `role "alice"`. */
  readonly object: string
  readonly reason: string
  /** The database it has to run in; null for the one of our own sessions. */
  readonly database: string | null
  /** For readers. */
  readonly sql: string
  readonly statement: Redacted.Redacted<string>
  /** It cannot share a transaction, or must not share a message, with other statements. */
  readonly alone: boolean
  /** The database that exists once this has run. */
  readonly creates: string | null
  /** A role's verifier, which belongs to the statement and stands beside it: a text is shown and logged, a value is not. */
  readonly password: RolePassword | null
  /** The role that this drops, and that nothing may refer to any more. */
  readonly doomed: string | null
  /** Why it must not be run: it fails by itself, as if the server had refused it. */
  readonly refused: string | null
  /** The database that CREATE DATABASE copies, and that nobody may be connected to meanwhile. */
  readonly source: string | null
  /** The database that is gone once this has run. */
  readonly drops: string | null
  /** It locks what all databases share until its end: several at once would only wait for each other. */
  readonly serial: boolean
  /** What has to have come about, and what comes about by this. What nobody provides is there already. */
  readonly needs: ReadonlyArray<string>
  readonly provides: ReadonlyArray<string>
}

type Details = Partial<Omit<Step, "object" | "reason" | "sql" | "statement">> & { readonly statement?: string }

export const step = (
  object: string,
  reason: string,
  sql: string,
  { statement = sql, ...more }: Details = {}
): Step => ({
  object,
  reason,
  database: null,
  sql,
  statement: Redacted.make(statement),
  alone: more.refused !== undefined,
  creates: null,
  password: null,
  doomed: null,
  refused: null,
  source: null,
  drops: null,
  serial: false,
  needs: [],
  provides: [],
  ...more
})

/** What is to be done inside one database. */
export interface DatabaseWork {
  readonly database: string
  /** Null when the plan itself creates it. */
  readonly oid: number | null
  readonly owner: string
  /** Known without looking into the database. */
  readonly steps: ReadonlyArray<Step>
  /** Whether to look into the database for what `perDatabase` decides. */
  readonly inspect: boolean
  /** As of a step, for whatever is done in it. */
  readonly needs: ReadonlyArray<string>
}

export interface Phase {
  readonly name: PhaseName
  readonly steps: ReadonlyArray<Step>
  readonly databases: ReadonlyArray<DatabaseWork>
}

export interface Plan {
  readonly phases: ReadonlyArray<Phase>
  /** Work that the spec asks for and that is left out on purpose. */
  readonly warnings: ReadonlyArray<string>
  /** Databases of the spec that cannot be entered, although the spec does not shut them. */
  readonly shut: ReadonlyArray<string>
}

export const isEmpty = (plan: Plan): boolean =>
  plan.phases.every((phase) => phase.steps.length === 0 && phase.databases.length === 0)

/** Postgres keeps 63 bytes of a name: what is cut here is not told apart there either. */
const LONGEST_NAME = 100

/** A name for a reader, not for SQL. */
export const quotedName = (name: string): string => JSON.stringify(excerpt(name, LONGEST_NAME))

export const named = (kind: string, name: string): string => `${kind} ${quotedName(name)}`

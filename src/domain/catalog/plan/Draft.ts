/**
 * The catalog as it will be after the phases planned so far: each phase sees what the ones before it have changed.
 */
import * as Data from "effect/Data"
import type * as Redacted from "effect/Redacted"
import type { ComputeSpec } from "../../spec/ComputeSpec.ts"
import { stored } from "../Name.ts"
import { isWebAccess, type RoleMark } from "../RoleMark.ts"
import type { DatabaseRow, Snapshot } from "../Snapshot.ts"

/** The spec asks for something that cannot be planned. */
export class UnplannableSpec extends Data.TaggedError("UnplannableSpec")<{ readonly message: string }> {}

export interface PlanSettings {
  /** Matches `^[a-z_]+$` and is therefore never quoted. */
  readonly privilegedRole: string
  readonly lakebase: boolean
}

/** Who owns databases until the spec says otherwise. */
export const ADMINS: ReadonlyArray<string> = ["cloud_admin", "zenith_admin"]

/** A database that the plan creates has no oid yet. */
export type DraftDatabase = Omit<DatabaseRow, "oid"> & { readonly oid: number | null }

export interface Draft {
  readonly settings: PlanSettings
  readonly snapshot: Snapshot
  /** Whether the role `web_access` is given what it is to have. */
  readonly webAccess: boolean
  readonly roles: Map<string, Redacted.Redacted<string> | null>
  readonly databases: Map<string, DraftDatabase>
  /** Names that databases were found with, by oid. */
  readonly names: ReadonlyMap<number, string>
  /** Names of databases that have subscriptions. */
  readonly subscribers: ReadonlySet<string>
  readonly warnings: Array<string>
  /** As in the plan. */
  readonly shut: Array<string>
  readonly refusals: Array<UnplannableSpec>
  /** Notes that the plan cannot be made; there is nothing to run in its place. */
  readonly refuse: (message: string) => ReadonlyArray<never>
}

export const markOf = ({ marks }: Snapshot, name: string): RoleMark | undefined =>
  marks.find((mark) => mark.name === name)

/** Whether there is, or is going to be, a role of this name that no tenant has made. */
export const webAccess = (spec: ComputeSpec, snapshot: Snapshot): boolean => {
  const listed = spec.cluster.roles.some(({ name }) => stored(name) === "web_access")
  const mark = markOf(snapshot, "web_access")
  return mark === undefined ? listed : isWebAccess(mark, listed)
}

/** Says that something of a name of ours is left alone, because somebody else has made it. */
export const leaveAlone = (draft: Draft, object: string, fault: string): ReadonlyArray<never> => {
  draft.warnings.push(`${object} is not ours: ${fault}; it is left alone`)
  return []
}

export const draft = (spec: ComputeSpec, snapshot: Snapshot, settings: PlanSettings): Draft => {
  const refusals: Array<UnplannableSpec> = []
  return {
    settings,
    snapshot,
    webAccess: webAccess(spec, snapshot),
    roles: new Map(snapshot.roles),
    databases: new Map(snapshot.databases.map((row) => [row.name, row])),
    names: new Map(snapshot.databases.map(({ oid, name }) => [oid, name])),
    subscribers: new Set(snapshot.subscribers),
    warnings: [],
    shut: [],
    refusals,
    refuse: (message) => {
      refusals.push(new UnplannableSpec({ message }))
      return []
    }
  }
}

/**
 * Specs and snapshots with only what a test is about.
 */

import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { RoleMark } from "../../../src/domain/catalog/RoleMark.ts"
import { NO_FAULTS, type Snapshot } from "../../../src/domain/catalog/Snapshot.ts"
import { ComputeSpec } from "../../../src/domain/spec/ComputeSpec.ts"
import { type ParsedSpec, parseSpec } from "../../../src/domain/spec/ParsedSpec.ts"

export const TIMELINE = "1e8a3f1d2c4b5a69788796a5b4c3d2e1"
export const SCRAM =
  "SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$bpSY5Ze9NUH+I35LC3gVq+DpBfK46iXBxvhAKqVu9pE=:VpYlBuxyzeCI1KnctrefdljpB1mk3Gp7sBI/t11+NkQ="

export interface SpecParts {
  readonly roles?: ReadonlyArray<object>
  readonly dbs?: ReadonlyArray<object>
  readonly ops?: ReadonlyArray<object>
  readonly settings?: ReadonlyArray<object>
  readonly extra?: object
}

/** A primary's spec with these parts. */
export const specOf = ({ roles = [], dbs = [], ops = [], settings = [], extra = {} }: SpecParts): ParsedSpec =>
  Result.getOrThrow(
    parseSpec(
      Schema.decodeUnknownSync(ComputeSpec)({
        format_version: 1,
        suspend_timeout_seconds: -1,
        tenant_id: "b0554b632bd4d547a63b86c3630317e8",
        timeline_id: TIMELINE,
        pageserver_connstring: "postgres://no_user@127.0.0.1:64000",
        safekeeper_connstrings: ["127.0.0.1:5454"],
        cluster: { roles, databases: dbs, settings },
        delta_operations: ops,
        ...extra
      })
    )
  )

export const role = (name: string, password: string | null = SCRAM, options: ReadonlyArray<object> | null = null) => ({
  name,
  encrypted_password: password,
  options
})

export const database = (name: string, owner: string, options: ReadonlyArray<object> | null = null) => ({
  name,
  owner,
  options
})

/** A role that a superuser has made without further ado. */
export const mark = (name: string, more: Partial<RoleMark> = {}): RoleMark => ({
  name,
  superuser: false,
  login: false,
  given: false,
  monitor: false,
  created: false,
  shared: false,
  ...more
})

/** A fresh cluster of version 17, but for what is given. */
export const snapshotOf = (found: Partial<Snapshot>): Snapshot => ({
  version: 170_000,
  started: "1",
  superuser: true,
  system: "postgres",
  timeline: null,
  subscriptionsDroppedFor: null,
  roles: new Map(),
  databases: [],
  subscribers: [],
  extensions: [],
  neonAvailable: "1.0",
  schemaNeon: false,
  healthCheck: false,
  healthCheckPlain: true,
  faults: NO_FAULTS,
  marks: [],
  postgresSettings: [],
  readerTimeout: null,
  roleTimeouts: [],
  inspections: new Map(),
  ...found
})

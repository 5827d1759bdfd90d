/**
 * Roles, databases, grants and extensions of the running Postgres.
 *
 * Source: `compute_tools/src/{spec_apply,catalog,checker,migration,installed_extensions}.rs`, `compute_tools/src/compute.rs`.
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import type * as Scope from "effect/Scope"
import type * as Stream from "effect/Stream"
import type { UnplannableSpec } from "../../domain/catalog/plan/Draft.ts"
import type { Plan } from "../../domain/catalog/plan/Step.ts"
import type { ApplyReport, FailedDatabase } from "../../domain/catalog/Report.ts"
import type {
  CatalogObjects,
  ExtensionRequest,
  InstalledExtension,
  SchemaGrant
} from "../../domain/catalog/Requests.ts"
import { failedDatabases } from "../../domain/observe/MetricFamilies.ts"
import type { Facts } from "../../domain/postgres/Facts.ts"
import type { ParsedSpec } from "../../domain/spec/ParsedSpec.ts"
import type { Options } from "../compute/Options.ts"
import type { Waits } from "../compute/Waits.ts"
import { Metrics } from "../observe/Metrics.ts"
import type { DataDirectory, DataDirectoryFailed } from "../postgres/dataDirectory/DataDirectory.ts"
import type { Postmaster } from "../postgres/Postmaster.ts"
import type { Sql, SqlFailed } from "../sql/Sql.ts"
import type { ApplyOptions } from "./apply/apply.ts"
import {
  ApplyFailed,
  DatabaseMissing,
  DumpFailed,
  ExtensionNotInstalled,
  GrantsNotSet,
  MigrationFailed
} from "./errors.ts"

export { ApplyFailed, DatabaseMissing, DumpFailed, ExtensionNotInstalled, GrantsNotSet, MigrationFailed }

export class Catalog extends Context.Service<
  Catalog,
  {
    /** Makes the catalog match the spec, with the size limit lifted meanwhile. One at a time. */
    readonly apply: (spec: ParsedSpec, options: ApplyOptions) => Effect.Effect<ApplyReport, ApplyFailed>
    /** What `apply` would do, looked up in every database; changes nothing. */
    readonly plan: (spec: ParsedSpec) => Effect.Effect<Plan, SqlFailed | UnplannableSpec>
    /** The apply that runs, or the last one; null before the first. */
    readonly lastApply: Effect.Effect<ApplyReport | null>
    /** What the last apply could not do in databases, and the next one tries again. */
    readonly failedDatabases: Effect.Effect<ReadonlyArray<FailedDatabase>>
    /** Applies outstanding migrations; stops at the first that fails, and counts it. */
    readonly migrate: (spec: ParsedSpec) => Effect.Effect<void, MigrationFailed | DataDirectoryFailed | SqlFailed>
    readonly updateNeonExtension: Effect.Effect<void, SqlFailed>
    /** Counts extensions over all databases, replaces the gauge and logs the machine-read line. */
    readonly installedExtensions: Effect.Effect<ReadonlyArray<InstalledExtension>, SqlFailed>
    readonly objects: Effect.Effect<CatalogObjects, SqlFailed>
    /**
     * `pg_dump --schema-only`, as it is written. Succeeds with the first output; a dump that fails later breaks the stream.
     * The process ends with the scope.
     */
    readonly schemaDump: (
      database: string
    ) => Effect.Effect<Stream.Stream<Uint8Array, DumpFailed>, DatabaseMissing | DumpFailed | SqlFailed, Scope.Scope>
    /** A write that has to reach the safekeepers. A full disk is the tenant's affair and counts as success. */
    readonly checkWritability: Effect.Effect<void, SqlFailed>
    /** JSON text: the slowest statements of `pg_stat_statements`, an empty list without that extension. */
    readonly insights: Effect.Effect<string, SqlFailed>
    /** What Postgres says of itself; null when it says nothing. */
    readonly facts: Effect.Effect<Facts | null, SqlFailed>
    readonly installExtension: (request: ExtensionRequest) => Effect.Effect<void, ExtensionNotInstalled>
    /** Grants what is missing; writes nothing when nothing is, so that it works on a replica. */
    readonly setRoleGrants: (request: SchemaGrant) => Effect.Effect<void, GrantsNotSet>
  }
>()("compute/Catalog") {
  static readonly layer = Layer.effect(this, Effect.gen(make))
}

/** What does the work is loaded when it is first asked for. */
function* make() {
  const context = yield* Effect.context<Sql | Options | DataDirectory | Postmaster | Metrics | Waits | Scope.Scope>()
  const failed = yield* Ref.make<ReadonlyArray<FailedDatabase>>([])
  yield* Effect.flatMap(Metrics, (metrics) =>
    metrics.gauge(
      failedDatabases,
      Effect.map(Ref.get(failed), ({ length }) => [{ labels: {}, value: length }])
    )
  )
  const live = yield* Effect.promise(() => import("./live.ts")).pipe(
    Effect.flatMap((module) => module.make(failed)),
    Effect.provide(context),
    Effect.uninterruptible,
    Effect.cached
  )
  return Catalog.of({
    apply: (spec, options) => Effect.flatMap(live, (catalog) => catalog.apply(spec, options)),
    plan: (spec) => Effect.flatMap(live, (catalog) => catalog.plan(spec)),
    lastApply: Effect.flatMap(live, (catalog) => catalog.lastApply),
    failedDatabases: Ref.get(failed),
    migrate: (spec) => Effect.flatMap(live, (catalog) => catalog.migrate(spec)),
    updateNeonExtension: Effect.flatMap(live, (catalog) => catalog.updateNeonExtension),
    installedExtensions: Effect.flatMap(live, (catalog) => catalog.installedExtensions),
    objects: Effect.flatMap(live, (catalog) => catalog.objects),
    schemaDump: (database) => Effect.flatMap(live, (catalog) => catalog.schemaDump(database)),
    checkWritability: Effect.flatMap(live, (catalog) => catalog.checkWritability),
    insights: Effect.flatMap(live, (catalog) => catalog.insights),
    facts: Effect.flatMap(live, (catalog) => catalog.facts),
    installExtension: (request) => Effect.flatMap(live, (catalog) => catalog.installExtension(request)),
    setRoleGrants: (request) => Effect.flatMap(live, (catalog) => catalog.setRoleGrants(request))
  })
}

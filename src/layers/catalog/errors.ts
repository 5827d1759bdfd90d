import * as Data from "effect/Data"
import type { StepFailure } from "../../domain/catalog/Report.ts"

/**
 * An apply did not get through. `message` is the first failure as the driver words it; `cause` adds which object it was.
 * All failures are in the report.
 */
export class ApplyFailed extends Data.TaggedError("ApplyFailed")<{
  readonly message: string
  readonly phase: string | null
  readonly object: string | null
  readonly sqlstate: string | null
  readonly hint: string | null
  readonly failures: ReadonlyArray<StepFailure>
  /** Inherited subscriptions are still to be dropped in some database, or nobody knows. */
  readonly subscriptionsPending: boolean
  readonly cause?: Error
}> {}

export class MigrationFailed extends Data.TaggedError("MigrationFailed")<{
  readonly id: number
  readonly message: string
  readonly sqlstate: string | null
}> {}

export class DatabaseMissing extends Data.TaggedError("DatabaseMissing")<{ readonly database: string }> {
  override get message() {
    return "database does not exist"
  }
}

/** `pg_dump` did not run, or not to its end. `missing`: there is none beside this Postgres. */
export class DumpFailed extends Data.TaggedError("DumpFailed")<{
  readonly reason: string
  readonly missing?: boolean
}> {
  override get message() {
    return `failed to execute pg_dump: ${this.reason}`
  }
}

/** `message` starts with the step that failed: `Failed to connect to the database`, `Failed to execute query: ...`. */
export class ExtensionNotInstalled extends Data.TaggedError("ExtensionNotInstalled")<{
  readonly message: string
  readonly sqlstate: string | null
}> {}

/** `message` as with `ExtensionNotInstalled`. */
export class GrantsNotSet extends Data.TaggedError("GrantsNotSet")<{
  readonly message: string
  readonly sqlstate: string | null
}> {}

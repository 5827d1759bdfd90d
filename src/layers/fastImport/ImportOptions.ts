/**
 * The settings of a job: command line and environment, read once.
 */
import * as Context from "effect/Context"
import type * as Redacted from "effect/Redacted"
import type { S3Prefix } from "../../domain/fastImport/S3Prefix.ts"

/** Connection strings of libpq's. */
type Connstr = Redacted.Redacted<string>

export type JobCommand =
  | {
      readonly name: "pgdata"
      readonly source: Connstr | null
      /** After the restore the server is left running until somebody presses Ctrl-C. */
      readonly interactive: boolean
      readonly port: number
      readonly cpus: number
      readonly memoryMb: number
    }
  | { readonly name: "dump-restore"; readonly source: Connstr | null; readonly destination: Connstr | null }

export interface ImportSettings {
  readonly command: JobCommand
  readonly workdir: string
  /** Null: nothing is read from storage and nothing is written to it. */
  readonly prefix: S3Prefix | null
  readonly binDir: string
  readonly libDir: string
  /** Of dump and restore; of the machine where nobody says so. */
  readonly jobs: number
  /** Restores while it dumps, by one connection each: nothing of the source is laid on the disk in between. */
  readonly atOnce: boolean
  /** Goes on with the upload of a data directory that is complete. */
  readonly resume: boolean
  /** The status object says the causes too. */
  readonly statusDetail: boolean
  /** Seconds for all of it; null for as long as it takes. */
  readonly timeout: number | null
  readonly env: Readonly<Record<string, string | undefined>>
}

export class ImportOptions extends Context.Service<ImportOptions, ImportSettings>()("fastImport/ImportOptions") {}

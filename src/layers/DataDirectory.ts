/**
 * `PGDATA`: made anew for every start.
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Stream from "effect/Stream"
import type { ParsedSpec } from "../domain/ParsedSpec.ts"
import type { BadBasebackup } from "./basebackup/BadBasebackup.ts"
import type { DataDirectoryFailed } from "./dataDirectory/DataDirectoryFailed.ts"

export { BadBasebackup } from "./basebackup/BadBasebackup.ts"
export { DataDirectoryFailed } from "./dataDirectory/DataDirectoryFailed.ts"

export class DataDirectory extends Context.Tag("compute/DataDirectory")<
  DataDirectory,
  {
    /** Stops a postmaster that a killed predecessor left in it, removes the directory and creates it, mode 0700. */
    readonly create: Effect.Effect<void, DataDirectoryFailed>
    /** Writes `postgresql.conf` atomically, with the TLS key pair when it is on. Succeeds with whether the text changed. */
    readonly writeConf: (spec: ParsedSpec) => Effect.Effect<boolean, DataDirectoryFailed>
    /** Unpacks gzip + tar to the end of the stream; empties what an earlier try left first. Succeeds with the compressed size. */
    readonly unpack: <E>(
      bytes: Stream.Stream<Uint8Array, E>
    ) => Effect.Effect<number, E | BadBasebackup | DataDirectoryFailed>
    /** After the basebackup: `neon.signal`, `pg_hba.conf`, `pg_dynshmem`, `standby.signal`, Databricks certificates. */
    readonly finish: (spec: ParsedSpec) => Effect.Effect<void, DataDirectoryFailed>
    /** `compute_ctl_temp_override.conf`, included last; empty text lifts the override. */
    readonly writeOverride: (text: string) => Effect.Effect<void, DataDirectoryFailed>
    /** Appends a line to `postgresql.conf` unless it is there. */
    readonly ensureConfLine: (line: string) => Effect.Effect<boolean, DataDirectoryFailed>
    /** Paths of core dumps lying about. */
    readonly coreDumps: Effect.Effect<ReadonlyArray<string>>
  }
>() {}

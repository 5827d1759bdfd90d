/**
 * `PGDATA`: made anew for every start.
 *
 * Source: `compute_tools/src/compute.rs` (`prepare_pgdata`, `create_pgdata`), `compute_tools/src/config.rs`.
 */

import * as fs from "node:fs"
import * as path from "node:path"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Semaphore from "effect/Semaphore"
import type * as Stream from "effect/Stream"
import type { SettingChange } from "../../../domain/conf/Difference.ts"
import { OVERRIDE_FILE } from "../../../domain/conf/PostgresConf.ts"
import { effectiveTls, type ParsedSpec } from "../../../domain/spec/ParsedSpec.ts"
import type { BadBasebackup } from "../../archive/errors.ts"
import { MachineConfig, Options } from "../../compute/Options.ts"
import { Account } from "../../machine/Account.ts"
import { Certificates, type KeyPair } from "../../neighbours/Certificates.ts"
import { ensureConfLine, writeConf } from "./conf.ts"
import { create } from "./create.ts"
import { DataDirectoryFailed } from "./errors.ts"
import { attempt, writeAtomic } from "./files.ts"
import { finish } from "./finish.ts"

export { BadBasebackup } from "../../archive/errors.ts"
export { DataDirectoryFailed } from "./errors.ts"

export class DataDirectory extends Context.Service<
  DataDirectory,
  {
    /** Stops a postmaster that a killed predecessor left in it, removes the directory and creates it, mode 0700. */
    readonly create: Effect.Effect<void, DataDirectoryFailed>
    /**
     * Writes `postgresql.conf` atomically, with the TLS key pair when it is on and with a line after all others. Succeeds with
     * whether anything changed.
     */
    readonly writeConf: (spec: ParsedSpec, lastLine?: string) => Effect.Effect<boolean, DataDirectoryFailed>
    /** What of the settings on the disk `writeConf` would change; an empty list where there are none yet. */
    readonly confChanges: (spec: ParsedSpec) => Effect.Effect<ReadonlyArray<SettingChange>, DataDirectoryFailed>
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
>()("compute/DataDirectory") {
  static readonly layer = Layer.effect(this, Effect.gen(make))
}

/** Where core dumps go: beside the data, unless the platform puts them elsewhere. */
const coreDirectory = (pgdata: string, lakebase: boolean): string => {
  if (lakebase) return "/databricks/logs/brickstore"
  return process.platform === "darwin" ? "/cores/" : pgdata
}

const listCores = (directory: string): ReadonlyArray<string> =>
  fs
    .readdirSync(directory)
    .filter((name) => name === "core" || name.startsWith("core."))
    .map((name) => path.join(directory, name))

function* make() {
  const options = yield* Options
  const machine = yield* MachineConfig
  const certificates = yield* Certificates
  const { postgres: account } = yield* Account
  const { pgdata } = options
  // Two writers of the same file must not lose each other's lines.
  const confLock = yield* Semaphore.make(1)

  const pairFor = (spec: ParsedSpec): Effect.Effect<KeyPair | null, DataDirectoryFailed> =>
    effectiveTls(spec.spec, machine.tls) === null
      ? Effect.succeed(null)
      : certificates.pair.pipe(
          Effect.catch(() => Effect.andThen(certificates.ready, certificates.pair)),
          Effect.mapError((error) => new DataDirectoryFailed({ path: error.path, reason: error.message }))
        )

  return DataDirectory.of({
    create: create(pgdata, account).pipe(Effect.withSpan("create data directory")),
    writeConf: (spec, lastLine) =>
      pairFor(spec).pipe(
        Effect.flatMap((pair) => confLock.withPermits(1)(writeConf(options, account, spec, pair, lastLine))),
        Effect.withSpan("write postgresql.conf")
      ),
    confChanges: (spec) =>
      Effect.promise(() => import("./confChanges.ts")).pipe(
        Effect.flatMap(({ confChanges }) => confChanges(options, spec, effectiveTls(spec.spec, machine.tls) !== null))
      ),
    unpack: (bytes) =>
      Effect.promise(() => import("../../archive/unpack.ts")).pipe(
        Effect.flatMap(({ unpack }) => unpack(pgdata, bytes, account))
      ),
    finish: (spec) => finish(pgdata, account, spec).pipe(Effect.withSpan("finish data directory")),
    writeOverride: (text) => {
      const file = path.join(pgdata, OVERRIDE_FILE)
      return attempt(file, () => writeAtomic(file, text, account))
    },
    ensureConfLine: (line) => confLock.withPermits(1)(ensureConfLine(pgdata, account, line)),
    coreDumps: attempt(pgdata, () => listCores(coreDirectory(pgdata, options.lakebaseMode))).pipe(
      Effect.orElseSucceed(() => [])
    )
  })
}

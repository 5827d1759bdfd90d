/**
 * What the data directory needs between the basebackup and the start of Postgres.
 *
 * Source: `compute_tools/src/compute.rs` (`prepare_pgdata`, `handle_configure_request`), `compute_tools/src/config.rs`.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { withFirstLine, withLine } from "../../../domain/conf/ConfLine.ts"
import type { DatabricksSettings } from "../../../domain/spec/ComputeSpec.ts"
import type { ParsedSpec } from "../../../domain/spec/ParsedSpec.ts"
import type { PostgresAccount } from "../../machine/Account.ts"
import { limits } from "../../machine/RegularFile.ts"
import type { DataDirectoryFailed } from "./errors.ts"
import { attempt, has, readCredentials, readText, writeAtomic } from "./files.ts"

/** Passwords from everywhere. `md5` also lets SCRAM in: Postgres goes by the stored verifier. */
const HBA_LINE = "host\tall\t\tall\t\tall\t\tmd5"

/** Include directives in these files are new in Postgres 16; older servers refuse the whole file for one. */
const FIRST_WITH_INCLUDES = 16

const SHARED_MEMORY = "/dev/shm/"

interface Place {
  readonly directory: string
  readonly account: PostgresAccount | null
}

const edit = (
  { account, directory }: Place,
  name: string,
  change: (text: string) => string | null
): Effect.Effect<void, DataDirectoryFailed> => {
  const file = path.join(directory, name)
  return Effect.flatMap(readText(file), (text) => {
    const changed = change(text ?? "")
    return changed === null ? Effect.void : attempt(file, () => writeAtomic(file, changed, account))
  })
}

const copy = ({ account }: Place, from: string, to: string, mode = 0o600): Effect.Effect<void, DataDirectoryFailed> =>
  Effect.gen(function* () {
    const bytes = yield* readCredentials(from)
    const isThere = yield* has(to, bytes)
    yield* attempt(to, () => (isThere ? fs.chmodSync(to, mode) : writeAtomic(to, bytes, account, mode)))
  })

/** Older pageservers give the start position its older name. */
const nameSignal = (place: Place): Effect.Effect<void, DataDirectoryFailed> => {
  const signal = path.join(place.directory, "neon.signal")
  const older = path.join(place.directory, "zenith.signal")
  return attempt(signal, () => !fs.existsSync(signal) && fs.existsSync(older)).pipe(
    Effect.flatMap((rename) => (rename ? copy(place, older, signal) : Effect.void))
  )
}

/**
 * Shared memory that is filled by writing to files in tmpfs may exceed the memory of the moment, which is what makes
 * autoscaling add some.
 */
const linkSharedMemory = ({ account, directory }: Place): Effect.Effect<void, DataDirectoryFailed> => {
  const link = path.join(directory, "pg_dynshmem")
  return attempt(link, () => {
    if (!fs.existsSync(SHARED_MEMORY)) return
    fs.rmSync(link, { recursive: true, force: true })
    fs.symlinkSync(SHARED_MEMORY, link)
    if (account !== null) fs.lchownSync(link, account.uid, account.gid)
  })
}

const serverVersion = (directory: string): Effect.Effect<number, DataDirectoryFailed> => {
  const file = path.join(directory, "PG_VERSION")
  return Effect.map(readText(file, limits.note), (text) => Number.parseInt(text ?? "", 10))
}

const databricks = (place: Place, settings: DatabricksSettings): Effect.Effect<void, DataDirectoryFailed> =>
  Effect.gen(function* () {
    const { cert_file, key_file } = settings.pg_compute_tls_settings
    const own = (file: string) => path.join(place.directory, path.basename(file))
    yield* copy(place, key_file, own(key_file))
    yield* copy(place, cert_file, own(cert_file), 0o644)
    const version = yield* serverVersion(place.directory)
    if (!(version >= FIRST_WITH_INCLUDES)) {
      yield* Effect.logWarning("this Postgres cannot include files into pg_hba.conf and pg_ident.conf: left out")
      return
    }
    // Before the sample's trust lines, which would decide first.
    const include = (name: string, file: string) =>
      edit(place, name, (text) => withFirstLine(text, `include_if_exists ${file}`))
    yield* include("pg_hba.conf", settings.databricks_pg_hba)
    yield* include("pg_ident.conf", settings.databricks_pg_ident)
  })

const standbySignal = ({ account, directory }: Place): Effect.Effect<void, DataDirectoryFailed> => {
  const file = path.join(directory, "standby.signal")
  return attempt(file, () => {
    if (!fs.existsSync(file)) writeAtomic(file, "", account)
  })
}

export const finish = (
  directory: string,
  account: PostgresAccount | null,
  spec: ParsedSpec
): Effect.Effect<void, DataDirectoryFailed> =>
  Effect.gen(function* () {
    const place = { directory, account }
    yield* nameSignal(place)
    if (spec.spec.databricks_settings !== null) yield* databricks(place, spec.spec.databricks_settings)
    yield* edit(place, "pg_hba.conf", (text) => withLine(text, HBA_LINE))
    yield* linkSharedMemory(place)
    if (spec.spec.mode !== "Primary") yield* standbySignal(place)
  })

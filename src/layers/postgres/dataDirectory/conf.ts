/**
 * `postgresql.conf` on the disk, and the TLS key pair it names.
 *
 * Source: `compute_tools/src/config.rs`, `compute_tools/src/tls.rs`.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { withLine } from "../../../domain/conf/ConfLine.ts"
import { renderSteps } from "../../../domain/conf/PostgresConf.ts"
import { portOf } from "../../../domain/postgres/ConnectionString.ts"
import type { ParsedSpec } from "../../../domain/spec/ParsedSpec.ts"
import { resultInSlices } from "../../compute/clock/Slices.ts"
import type { ComputeOptions } from "../../compute/Options.ts"
import type { PostgresAccount } from "../../machine/Account.ts"
import type { KeyPair } from "../../neighbours/keyPair.ts"
import { DataDirectoryFailed } from "./errors.ts"
import { attempt, has, readText, writeAtomic } from "./files.ts"

export const confFile = (directory: string): string => path.join(directory, "postgresql.conf")

/** 2: the kernel hands out no more memory than it has, which is how a machine with swap is set up. */
export const strictOvercommit = (): boolean => {
  try {
    return fs.readFileSync("/proc/sys/vm/overcommit_memory", "utf8").trim() === "2"
  } catch {
    return false
  }
}

/** The settings of the process that the text depends on. */
const contextOf = (options: ComputeOptions, tls: boolean) => ({
  internalHttpPort: options.internalHttpPort,
  tls,
  strictOvercommit: strictOvercommit(),
  privilegedRole: options.privilegedRole,
  lakebase: options.lakebaseMode ? { port: portOf(options.connstr) } : null,
  ...(process.platform === "darwin" ? { locale: "C" } : {})
})

/** Postgres insists on a key that its owner alone can read, which a mounted secret cannot be: hence copies. */
const writePair = Effect.fnUntraced(function* (directory: string, account: PostgresAccount | null, pair: KeyPair) {
  const key = path.join(directory, "server.key")
  const cert = path.join(directory, "server.crt")
  const bytes = Redacted.value(pair.key)
  if ((yield* has(key, bytes)) && (yield* has(cert, pair.cert))) return false
  yield* attempt(key, () => {
    writeAtomic(key, bytes, account)
    writeAtomic(cert, pair.cert, account)
  })
  return true
})

export const rendered = (options: ComputeOptions, spec: ParsedSpec, tls: boolean) =>
  Effect.mapError(
    resultInSlices(renderSteps(spec.spec, contextOf(options, tls))),
    (fault) => new DataDirectoryFailed({ path: confFile(options.pgdata), reason: fault.message })
  )

/** Writes what differs; succeeds with whether anything did. */
export const writeConf = (
  options: ComputeOptions,
  account: PostgresAccount | null,
  spec: ParsedSpec,
  pair: KeyPair | null,
  lastLine?: string
): Effect.Effect<boolean, DataDirectoryFailed> =>
  Effect.gen(function* () {
    const file = confFile(options.pgdata)
    const own = yield* rendered(options, spec, pair !== null)
    const text = lastLine === undefined ? own : (withLine(own, lastLine) ?? own)
    // The pair first: a configuration must not name files that are not there.
    const newPair = pair === null ? false : yield* writePair(options.pgdata, account, pair)
    const newText = !(yield* has(file, Buffer.from(text)))
    if (newText) yield* attempt(file, () => writeAtomic(file, text, account))
    return newPair || newText
  })

/** Appends a line to `postgresql.conf` unless it is there; succeeds with whether it was not. */
export const ensureConfLine = (
  directory: string,
  account: PostgresAccount | null,
  line: string
): Effect.Effect<boolean, DataDirectoryFailed> => {
  const file = confFile(directory)
  return Effect.gen(function* () {
    const changed = withLine((yield* readText(file)) ?? "", line)
    if (changed === null) return false
    yield* attempt(file, () => writeAtomic(file, changed, account))
    return true
  })
}

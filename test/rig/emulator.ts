/**
 * The emulator as tests want it.
 */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { type Emulator, type EmulatorOptions, start } from "../../src/emulator/Emulator.ts"
import type { ListenFailed } from "../../src/emulator/peers/TcpServer.ts"
import type { DistributionFailed } from "../../src/emulator/postgres/Distribution.ts"
import { account, pgbin, root } from "./postgres.ts"

/** A vanilla cluster on a real Postgres unless the options say otherwise. */
export const startEmulator = (
  options: Partial<EmulatorOptions> = {}
): Effect.Effect<Emulator, ListenFailed | DistributionFailed, Scope.Scope> => start({ pgbin, account, ...options })

/** With a server that is ready at once and a small archive of Neon's shape. */
export const startFakeEmulator = (
  options: Partial<EmulatorOptions> = {}
): Effect.Effect<Emulator, ListenFailed | DistributionFailed, Scope.Scope> =>
  start({ account, ...options, pgbin: null })

/** A stand-in for the extension that a lakebase compute makes at each apply. */
export const makeAuthExtension = (emulator: Emulator): Effect.Effect<void> =>
  Effect.sync(() => {
    const config = path.join(path.dirname(emulator.addresses.pgbin), "pg_config")
    const extension = path.join(execFileSync(config, ["--sharedir"], { encoding: "utf8" }).trim(), "extension")
    fs.writeFileSync(path.join(extension, "databricks_auth.control"), "default_version = '1.0'\nrelocatable = true\n")
    const script = "create view databricks_auth_metrics as select 1 as n;"
    fs.writeFileSync(path.join(extension, "databricks_auth--1.0.sql"), script)
  })

/** The recorded basebackups of a real pageserver. */
export const recorded = {
  _tag: "Files",
  primary: path.join(root, "test/golden/storage/basebackup-primary.tar.gz"),
  replica: path.join(root, "test/golden/storage/basebackup-replica.tar.gz")
} as const

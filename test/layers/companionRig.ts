/**
 * A place of its own for each test, and processes that end with it.
 */

import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process"
import { once } from "node:events"
import { chmodSync, chownSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import { MachineConfig } from "../../src/layers/compute/Options.ts"
import { NET, until } from "../rig/waits.ts"

/** An account that daemons accept which refuse to run as root; null when we are an ordinary user. */
export const nobody = process.geteuid?.() === 0 ? { uid: 65534, gid: 65534 } : null

/** Removed with the scope. Everyone may enter it. */
export const directory = Effect.acquireRelease(
  Effect.sync(() => {
    const path = mkdtempSync(join(tmpdir(), "companion-"))
    chmodSync(path, 0o755)
    return path
  }),
  (path) => Effect.sync(() => rmSync(path, { recursive: true, force: true }))
)

export const script = (path: string, body: string): string => {
  writeFileSync(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 })
  return path
}

export const giveAway = (path: string) => {
  if (nobody !== null) chownSync(path, nobody.uid, nobody.gid)
}

/** Killed, and waited for, with the scope. */
export const daemon = (program: string, args: ReadonlyArray<string>, options: SpawnOptions = {}) =>
  Effect.acquireRelease(
    Effect.sync(() => spawn(program, args, { stdio: "ignore", ...options })),
    (child) =>
      Effect.promise(async () => {
        if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return
        child.kill("SIGKILL")
        await once(child, "exit")
      })
  )

export const isAlive = (child: ChildProcess): boolean => child.exitCode === null && child.signalCode === null

export const ended = (child: ChildProcess) =>
  Effect.promise(async () => {
    if (isAlive(child)) await once(child, "exit")
    return child.signalCode ?? child.exitCode
  }).pipe(Effect.timeout(NET))

export const eventually = (holds: () => boolean) => until(String(holds), holds)

export const installed = (...paths: ReadonlyArray<string>): string | undefined => paths.find(existsSync)

export const machine = (tls: { readonly key_path: string; readonly cert_path: string } | null = null) =>
  Layer.succeed(MachineConfig, { jwks: { keys: [] }, tls })

/** Collects the messages that are logged. */
export const logged = (lines: Array<string>) =>
  Logger.layer([
    Logger.make(({ fiber, message }) => {
      lines.push(
        [
          ...(Array.isArray(message) ? message : [message]),
          ...Object.values(fiber.getRef(References.CurrentLogAnnotations))
        ].join(" ")
      )
    })
  ])

export const secret = (text: string) => Redacted.make(text)

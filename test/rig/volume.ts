/**
 * Small file systems, for what happens when one is full or is somebody's root. Only root can mount one.
 */
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

const mount = (directory: string, size: string) =>
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size},mode=0755`, "tmpfs", directory], { stdio: "pipe" })
const unmount = (directory: string) => execFileSync("umount", ["-l", directory], { stdio: "pipe" })

/** Whether this machine lets us. */
export const canMount: boolean = (() => {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return false
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), "volume-"))
  try {
    mount(directory, "64k")
    unmount(directory)
    return true
  } catch {
    return false
  } finally {
    fs.rmdirSync(directory)
  }
})()

/** Mounts an empty volume on a directory that is there; gone with the scope. `size`: `1m`. */
export const volumeAt = (directory: string, size: string): Effect.Effect<void, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => void mount(directory, size)),
    () => Effect.sync(() => void unmount(directory))
  )

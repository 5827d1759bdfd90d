/**
 * Says that a data directory is complete, so that a job whose upload was cut off can go on with it. Nothing was synced to the
 * disk: after a crash of the machine files may be torn that look complete, and a note of an earlier boot counts for nothing.
 */
import { createHash } from "node:crypto"
import * as fs from "node:fs"
import * as path from "node:path"
import * as Effect from "effect/Effect"
import { format, type S3Prefix } from "../../domain/fastImport/S3Prefix.ts"
import { messageOf } from "../../domain/observe/ErrorChain.ts"
import { attempt } from "./WorkingDirectory.ts"

const NAME = "pgdata.complete"
const BOOT = "/proc/sys/kernel/random/boot_id"

/** Of this boot, this destination and this control file. Null where the system does not tell one boot from another. */
const noteFor = (workdir: string, prefix: S3Prefix): string | null => {
  try {
    const control = fs.readFileSync(path.join(workdir, "pgdata", "global", "pg_control"))
    return JSON.stringify({
      boot: fs.readFileSync(BOOT, "utf8").trim(),
      prefix: format(prefix),
      control: createHash("sha256").update(control).digest("hex")
    })
  } catch {
    return null
  }
}

/** Whether the data directory in there was completed for the same destination and has not been started since. */
export const isComplete = (workdir: string, prefix: S3Prefix): Effect.Effect<boolean> =>
  Effect.sync(() => {
    const file = path.join(workdir, NAME)
    const note = noteFor(workdir, prefix)
    return note !== null && fs.existsSync(file) && fs.readFileSync(file, "utf8") === note
  })

/** Without it the job goes on all the same: only nobody could go on after it. */
export const markComplete = (workdir: string, prefix: S3Prefix): Effect.Effect<void> =>
  attempt("write status file", () => {
    const note = noteFor(workdir, prefix)
    if (note !== null) fs.writeFileSync(path.join(workdir, NAME), note)
  }).pipe(Effect.catch(({ cause, message }) => Effect.logWarning(`${message}: ${messageOf(cause)}`)))

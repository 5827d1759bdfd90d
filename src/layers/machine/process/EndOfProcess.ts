/**
 * The last step. `process.exit` waits for the threads of the pool, and one of them may be in a call that never returns: a
 * write to a pipe that nobody reads, a read of a file that is none.
 */
import { accessSync, constants } from "node:fs"
import { drained } from "../../observe/log/StandardError.ts"

/** Milliseconds for what is left to be logged. */
const LAST_WORDS = 1000
const SHELL = "/bin/sh"

/** Another program in our place ends every thread, whatever it is in; its exit code is ours. */
const exitAsAnother = (code: number): void => {
  if (process.execve === undefined) return
  try {
    accessSync(SHELL, constants.X_OK)
  } catch {
    return
  }
  process.execve(SHELL, ["sh", "-c", `exit ${code}`], {})
}

/** Ends the process with this code, once the log has got out or has had a second. */
export const endProcess = async (code: number): Promise<void> => {
  const isQuiet = await drained(LAST_WORDS)
  if (!isQuiet) exitAsAnother(code)
  process.exit(code)
}

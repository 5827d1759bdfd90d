/**
 * The end of a log.
 */
import { constants } from "node:fs"
import { open } from "node:fs/promises"
import * as Effect from "effect/Effect"
import { messageOf } from "../../../../domain/observe/ErrorChain.ts"
import { UsageError } from "../../../flags.ts"

/** Bytes that are read, however long the lines are. */
const MOST = 4 * 1024 * 1024

const lastBytes = async (file: string): Promise<string> => {
  // A pipe in its place would otherwise be waited for.
  const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK)
  try {
    const { size } = await handle.stat()
    const length = Math.min(size, MOST)
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(length), 0, length, size - length)
    return buffer.subarray(0, bytesRead).toString("utf8")
  } finally {
    await handle.close()
  }
}

export const tail = (file: string, lines: number): Effect.Effect<string, UsageError> =>
  Effect.tryPromise({
    try: () => lastBytes(file),
    catch: (error) => new UsageError({ message: `cannot read ${file}: ${messageOf(error)}` })
  }).pipe(Effect.map((text) => text.replace(/\n$/, "").split("\n").slice(-lines).join("\n")))

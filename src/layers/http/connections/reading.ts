/**
 * A socket that is not read when it is not to be. A paused stream of Node's fills its buffer all the same, with one read more
 * than it has room for: 64 KB of a client that is to wait.
 */
import type { Socket } from "node:net"

interface Handle {
  reading: boolean
  readonly readStop: () => void
}

const isHandle = (handle: unknown): handle is Handle =>
  typeof handle === "object" && handle !== null && "reading" in handle && "readStop" in handle

/** Stops at once, and not only when the buffer is full. */
const stopReading = (socket: Socket): void => {
  const handle: unknown = Reflect.get(socket, "_handle")
  if (!isHandle(handle) || !handle.reading) return
  handle.reading = false
  handle.readStop()
}

export interface Reading {
  readonly halt: () => void
  readonly goOn: () => void
}

export const readsOnDemand = (socket: Socket): Reading => {
  const read = socket._read.bind(socket)
  let halted = false
  let wanted: number | null = null
  socket._read = (size) => {
    if (halted) wanted = size
    else read(size)
  }
  return {
    halt: () => {
      halted = true
      stopReading(socket)
    },
    goOn: () => {
      halted = false
      const size = wanted
      wanted = null
      if (size !== null && !socket.destroyed) read(size)
    }
  }
}

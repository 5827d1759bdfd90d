/**
 * A thread that attacks, so that the client who measures has an event loop of its own.
 */
import { parentPort, workerData } from "node:worker_threads"
import { begin } from "./attacks.ts"

const { stop, lost } = begin(workerData.name, workerData.target)
parentPort?.once("message", () => {
  parentPort?.postMessage(lost())
  stop()
  setTimeout(() => process.exit(0), 100)
})

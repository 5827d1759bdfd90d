/**
 * `process.stderr` and `process.stdout` for libraries that write to them, and for `console`: what they say goes into the log.
 * Node's own streams set O_NONBLOCK on what we share with whoever started us, as soon as anybody looks at them, and wait for
 * a reader that stalls.
 */
import { Writable } from "node:stream"
import { writeLine } from "./StandardError.ts"

const makeStream = () =>
  new Writable({
    decodeStrings: false,
    write: (chunk: Uint8Array | string, _, done) => {
      writeLine(String(chunk).replace(/\n$/, ""))
      done()
    }
  })

let stream: Writable | undefined

export const divert = (name: "stderr" | "stdout"): void => {
  Object.defineProperty(process, name, { configurable: true, get: () => (stream ??= makeStream()) })
}

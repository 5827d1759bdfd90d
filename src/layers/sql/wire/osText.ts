/**
 * Errors of the operating system in the words of the original, which are those of Rust's `std::io::Error`.
 */
import { getSystemErrorMap } from "node:util"
import { codeOf } from "../../../domain/observe/ErrorChain.ts"

const words: Readonly<Record<string, string>> = {
  ECONNREFUSED: "Connection refused",
  ECONNRESET: "Connection reset by peer",
  ENOENT: "No such file or directory",
  EACCES: "Permission denied",
  EPIPE: "Broken pipe",
  ETIMEDOUT: "Connection timed out",
  EHOSTUNREACH: "No route to host",
  ENETUNREACH: "Network is unreachable",
  EMFILE: "Too many open files",
  EADDRNOTAVAIL: "Cannot assign requested address"
}

/** Of several addresses that were tried, the last one's. */
const innermost = (error: unknown): string | null =>
  codeOf(error) ?? (error instanceof AggregateError ? innermost(error.errors.at(-1)) : null)

export const osText = (error: Error): string => {
  const code = innermost(error)
  const known = code === null ? undefined : words[code]
  if (known === undefined) return error.message
  const number = [...getSystemErrorMap()].find(([, [name]]) => name === code)?.[0]
  return number === undefined ? known : `${known} (os error ${-number})`
}

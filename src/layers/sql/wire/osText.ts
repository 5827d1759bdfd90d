/**
 * Errors of the operating system in the words of the original, which are those of Rust's `std::io::Error`.
 */
import { getSystemErrorMap } from "node:util"

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

const codeOf = (error: Error): string | null => {
  const direct = "code" in error && typeof error.code === "string" ? error.code : null
  if (direct !== null) return direct
  const inner: unknown = error instanceof AggregateError ? error.errors.at(-1) : undefined
  return inner instanceof Error ? codeOf(inner) : null
}

export const osText = (error: Error): string => {
  const code = codeOf(error)
  const known = code === null ? undefined : words[code]
  if (known === undefined) return error.message
  const number = [...getSystemErrorMap()].find(([, [name]]) => name === code)?.[0]
  return number === undefined ? known : `${known} (os error ${-number})`
}

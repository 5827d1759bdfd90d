/**
 * Errors of the operating system in the words of the original, which are those of Rust's `std::io::Error`.
 */
import { getSystemErrorMap } from "node:util"
import { codeOf } from "../../domain/observe/ErrorChain.ts"

/** Where Node has words of its own. */
const words: Readonly<Record<string, string>> = {
  EHOSTUNREACH: "No route to host",
  EADDRNOTAVAIL: "Cannot assign requested address"
}

/** Of several addresses that were tried, the last one's. */
const innermost = (error: unknown): string | null =>
  codeOf(error) ?? (error instanceof AggregateError ? innermost(error.errors.at(-1)) : null)

export const osText = (error: Error): string => {
  const code = innermost(error)
  const known = [...getSystemErrorMap()].find(([, [name]]) => name === code)
  if (code === null || known === undefined) return error.message
  const [number, [, text]] = known
  return `${words[code] ?? `${text.charAt(0).toUpperCase()}${text.slice(1)}`} (os error ${-number})`
}

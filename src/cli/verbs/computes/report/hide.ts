/**
 * Documents without their secrets.
 */
import { read } from "../../../../domain/json/Json.ts"
import { isSecretName, redact } from "../../../../domain/observe/Redaction.ts"

const HIDDEN = "(hidden)"

/** Private parts of a JSON Web Key, by RFC 7518. */
const KEY_PARTS = new Set(["k", "d", "p", "q", "dp", "dq", "qi", "oth"])

const hidden = (value: unknown): unknown => {
  if (typeof value === "string") return redact(value)
  if (typeof value === "bigint") return String(value)
  if (Array.isArray(value)) return value.map(hidden)
  if (typeof value !== "object" || value === null) return value
  const isKey = "kty" in value
  const isSecretSetting = "name" in value && typeof value.name === "string" && isSecretName(value.name)
  return Object.fromEntries(
    Object.entries(value).map(([name, part]) => {
      const isSecret = isSecretName(name) || (isKey && KEY_PARTS.has(name)) || (isSecretSetting && name === "value")
      return [name, isSecret && part !== null ? HIDDEN : hidden(part)]
    })
  )
}

/** JSON, indented; what is no JSON is only looked through for what looks like a secret. */
export const withoutSecrets = (text: string): string => {
  const { fault, value } = read(text)
  return fault === null ? JSON.stringify(hidden(value), null, 2) : redact(text)
}

/**
 * A JSON Web Key as one that verifies. What a signature costs is decided here: the sizes are those that the original's
 * library takes.
 */
import { createPublicKey, type KeyObject } from "node:crypto"
import { base64Url } from "../../../domain/api/Claims.ts"
import type { Jwk } from "../../../domain/spec/ComputeConfig.ts"

/** Null for a key that cannot verify anything. */
export type ImportedKeys = WeakMap<Jwk, KeyObject | null>

/** Bits of an RSA modulus; others are no keys. */
const RSA_BITS = { min: 2048, max: 8192 }
/** A verification with an exponent as long as the modulus costs as much as a signature. */
const RSA_EXPONENT = { min: 3, max: 2 ** 33 - 1 }
/** Characters of base64url that the largest modulus has, with some zeros before it. */
const MAX_MATERIAL = 1400

const bytes = (text: string): Uint8Array | null => (text.length > MAX_MATERIAL ? null : base64Url(text))

const isExponent = (text: string): boolean => {
  const digits = bytes(text)
  if (digits === null || digits.length > 8) return false
  const value = digits.reduce((sum, byte) => sum * 256 + byte, 0)
  return value >= RSA_EXPONENT.min && value <= RSA_EXPONENT.max && value % 2 === 1
}

const imported = (jwk: Jwk): KeyObject | null => {
  switch (jwk.kty) {
    case "OKP":
      return bytes(jwk.x)?.length === 32
        ? createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x: jwk.x } })
        : null
    case "RSA": {
      if (bytes(jwk.n) === null || !isExponent(jwk.e)) return null
      const key = createPublicKey({ format: "jwk", key: { kty: "RSA", n: jwk.n, e: jwk.e } })
      const bits = key.asymmetricKeyDetails?.modulusLength ?? 0
      return bits >= RSA_BITS.min && bits <= RSA_BITS.max ? key : null
    }
    default:
      return null
  }
}

export const importedKey = (jwk: Jwk, known: ImportedKeys): KeyObject | null => {
  const found = known.get(jwk)
  if (found !== undefined) return found
  let key: KeyObject | null
  try {
    key = imported(jwk)
  } catch {
    key = null
  }
  known.set(jwk, key)
  return key
}

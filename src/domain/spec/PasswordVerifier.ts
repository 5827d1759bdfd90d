/**
 * What a role's `encrypted_password` may be: what Postgres itself would store. Postgres takes every other text for a
 * password in clear and hashes it, so that whoever knows the text could log in with it.
 *
 * Source: PostgreSQL `src/backend/libpq/crypt.c` (`get_password_type`), `src/backend/libpq/auth-scram.c`
 * (`parse_scram_secret`).
 */
import * as Result from "effect/Result"

/** The two keys are SHA-256 digests: 32 bytes. */
const SCRAM = /^SCRAM-SHA-256\$([1-9]\d{0,9}):([A-Za-z0-9+/]+={0,2})\$[A-Za-z0-9+/]{43}=:[A-Za-z0-9+/]{43}=$/
/** The spec keeps MD5 ones without their prefix; Postgres knows small digits only. */
const MD5 = /^(?:md5)?([0-9a-fA-F]{32})$/
const MOST_ITERATIONS = 2_147_483_647
/** Characters: with a salt of 16 bytes it has 133. The patterns need memory in proportion to what they look at. */
const LONGEST = 1024

const NEITHER =
  "encrypted_password is no password verifier: neither a whole SCRAM-SHA-256 one nor 32 hexadecimal digits of MD5"

/** As Postgres stores it; null for no password. A failure says why not, without the text. */
export const passwordVerifier = (text: string): Result.Result<string | null, string> => {
  if (text === "") return Result.succeed(null)
  if (text.length > LONGEST) return Result.fail(NEITHER)
  const digits = MD5.exec(text)?.[1]
  if (digits !== undefined) return Result.succeed(`md5${digits.toLowerCase()}`)
  const [, iterations, salt = ""] = SCRAM.exec(text) ?? []
  const whole = iterations !== undefined && Number(iterations) <= MOST_ITERATIONS && salt.length % 4 === 0
  return whole ? Result.succeed(text) : Result.fail(NEITHER)
}

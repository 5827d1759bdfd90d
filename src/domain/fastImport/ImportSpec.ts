/**
 * `spec.json`: the connection strings of a job, encrypted.
 *
 * Source: `compute_tools/src/bin/fast_import.rs` (`Spec`, `EncryptionSecret`).
 */
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SchemaIssue from "effect/SchemaIssue"
import * as SchemaTransformation from "effect/SchemaTransformation"
import { decodeJson } from "../json/decode/Decode.ts"
import { invalidType, unknownVariant } from "../json/decode/DecodeFaults.ts"
import { optional, refused } from "../json/decode/Shapes.ts"

/** Standard alphabet; padding whole, in part or left out; unused bits are zero. */
const bytesOf = (text: string): Result.Result<Uint8Array, string> => {
  const digits = text.replace(/={0,2}$/, "")
  const missing = (4 - (digits.length % 4)) % 4
  if (missing === 3 || text.length - digits.length > missing) return Result.fail("invalid length of base64")
  const whole = digits + "=".repeat(missing)
  const bytes = Base64.decode(whole)
  return Result.isSuccess(bytes) && Base64.encode(bytes.success) === whole
    ? Result.succeed(bytes.success)
    : Result.fail("invalid base64")
}

const Ciphertext = Schema.String.pipe(
  Schema.decodeTo(
    Schema.Uint8Array,
    SchemaTransformation.transformEffect({
      decode: (text) => Effect.fromResult(Result.mapError(bytesOf(text), refused)),
      encode: (bytes) => Effect.succeed(Base64.encode(bytes))
    })
  )
)

const isObject = (input: unknown): input is object =>
  typeof input === "object" && input !== null && !Array.isArray(input)

const readSecret = (input: unknown): Result.Result<string, SchemaIssue.Issue> => {
  if (!isObject(input)) return Result.fail(refused(invalidType(input, "a map")))
  const [variant, ...others] = Object.entries(input)
  if (variant === undefined || others.length > 0) return Result.fail(refused("expected a map with a single key"))
  const [kind, secret]: [string, unknown] = variant
  if (kind !== "KMS") return Result.fail(refused(unknownVariant(kind, ["KMS"])))
  const below = (keys: ReadonlyArray<string>, reason: string) =>
    Result.fail(new SchemaIssue.Pointer([...keys], refused(reason)))
  if (!isObject(secret)) return below([kind], invalidType(secret, "an object"))
  if (!("key_id" in secret)) return below([kind], "missing field `key_id`")
  const { key_id } = secret
  return typeof key_id === "string" ? Result.succeed(key_id) : below([kind, "key_id"], invalidType(key_id, "a string"))
}

/** The id of the key: one kind of secret, and no second one beside it. */
const Secret = Schema.Unknown.pipe(
  Schema.decodeTo(
    Schema.String,
    SchemaTransformation.transformEffect({
      decode: (input) => Effect.fromResult(readSecret(input)),
      encode: (key) => Effect.succeed({ KMS: { key_id: key } })
    })
  )
)

const Spec = Schema.Struct({
  encryption_secret: Secret,
  source_connstring_ciphertext_base64: Ciphertext,
  destination_connstring_ciphertext_base64: optional(Ciphertext)
})

export interface ImportSpec {
  readonly keyId: string
  readonly source: Uint8Array
  readonly destination: Uint8Array | null
}

/** Null for a document that is `null`: the job has no spec. Fails with what is wrong and where. */
export const parse = (text: string): Result.Result<ImportSpec | null, string> =>
  Result.mapBoth(decodeJson(Schema.NullOr(Spec), text, { trailing: "refuse" }), {
    onFailure: ({ message }) => message,
    onSuccess: (spec) =>
      spec && {
        keyId: spec.encryption_secret,
        source: spec.source_connstring_ciphertext_base64,
        destination: spec.destination_connstring_ciphertext_base64
      }
  })

/**
 * The storage's token by its own words: nobody has to be asked for its times.
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { bad, type Finding, ok, warn } from "./Finding.ts"

const NAME = "storage token"
/** Milliseconds that clocks may differ by. */
const DRIFT = 60_000

/** Seconds since the epoch, by RFC 7519. */
const Times = Schema.Struct({
  exp: Schema.optional(Schema.NullOr(Schema.Finite)),
  iat: Schema.optional(Schema.NullOr(Schema.Finite))
})
const decodeTimes = Schema.decodeResult(Schema.fromJsonString(Times))

const date = (seconds: number): string => {
  const milliseconds = seconds * 1000
  return Math.abs(milliseconds) <= 8.64e15 ? new Date(milliseconds).toISOString() : String(seconds)
}

/** Nothing of a token that is no JSON Web Token. `now`: epoch milliseconds. */
export const tokenTimes = (token: string, now: number): ReadonlyArray<Finding> =>
  Result.match(decodeTimes(Buffer.from(token.split(".")[1] ?? "", "base64url").toString("utf8")), {
    onFailure: () => [],
    onSuccess: ({ exp, iat }) => {
      if (typeof exp === "number" && exp * 1000 < now) {
        return [bad(NAME, `it has expired at ${date(exp)}`, "put a new storage_auth_token into the spec")]
      }
      if (typeof iat === "number" && iat * 1000 > now + DRIFT) {
        return [
          warn(NAME, `it was made at ${date(iat)}, after this machine's now`, "set the clock: timedatectl set-ntp true")
        ]
      }
      return [ok(NAME, typeof exp === "number" ? `it ends at ${date(exp)}` : "it has no end")]
    }
  })

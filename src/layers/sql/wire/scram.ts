/**
 * Proofs of a password that do not show it: SCRAM-SHA-256, and MD5 for what is older. A module of its own, because most
 * sessions are admitted without and `node:crypto` is not free to load.
 */
import { randomBytes } from "node:crypto"
import * as PgAuth from "@effect/sql-pg/PgAuth"
import * as Result from "effect/Result"
import * as Frames from "./Frames.ts"

const MD5 = 5
const SASL = 10
const SASL_CONTINUE = 11
const SASL_FINAL = 12

/** `null`: nothing is to be sent. */
type Reply = Result.Result<Buffer | null, string>

export interface Proof {
  /** What to say to a request of the server's. */
  readonly answer: (request: number, payload: Buffer) => Reply
  /** Whether the server may admit us now: one that knows the password has to show that first. */
  readonly isComplete: () => boolean
}

export const proofOf = (user: string, password: string): Proof => {
  let state: PgAuth.ScramState | "none" | "complete" = "none"

  const begin = (payload: Buffer) => {
    if (!payload.toString("latin1").split("\0").includes(PgAuth.SCRAM_SHA_256)) {
      return Result.fail("unsupported SASL mechanism")
    }
    return Result.map(PgAuth.scramInit({ password, nonce: randomBytes(18).toString("base64") }), (first) => {
      state = first.state
      return Frames.saslInitial(PgAuth.SCRAM_SHA_256, first.response)
    })
  }

  const reply = (request: number, payload: Buffer): Result.Result<Buffer | null, PgAuth.AuthError | string> => {
    if (request === MD5 && state === "none") {
      state = "complete"
      return Result.map(PgAuth.md5Password({ user, password, salt: payload }), Frames.password)
    }
    if (request === SASL && state === "none") return begin(payload)
    if (typeof state !== "string" && request === SASL_CONTINUE && state._tag === "ScramFirst") {
      return Result.map(PgAuth.scramContinue(state, payload), (next) => {
        state = next.state
        return Frames.saslResponse(next.response)
      })
    }
    if (typeof state !== "string" && request === SASL_FINAL && state._tag === "ScramFinal") {
      return Result.map(PgAuth.scramFinish(state, payload), () => {
        state = "complete"
        return null
      })
    }
    return Result.fail(`authentication method ${request} is not supported`)
  }

  return {
    answer: (request, payload) =>
      Result.mapError(reply(request, payload), (error) => (typeof error === "string" ? error : error.message)),
    isComplete: () => typeof state === "string"
  }
}

/**
 * What an answer of the control plane to "whose compute am I" means: a configuration, a reason to ask again, or the end.
 *
 * Source: `compute_tools/src/spec.rs` (`do_control_plane_request`, `get_config_from_control_plane`).
 */
import * as Result from "effect/Result"
import { decodeSteps } from "../json/decode/Decode.ts"
import type { Steps } from "../json/Steps.ts"
import { utf8Steps } from "../json/Utf8.ts"
import { type ComputeConfig, ControlPlaneConfigResponse } from "../spec/ComputeConfig.ts"
import { withoutSlashes } from "./BaseUrl.ts"

/** Requests before it is given up. */
export const ATTEMPTS = 3
/** Milliseconds after the first failure, and the most that an answer may ask for. */
const FIRST_PAUSE = 100
const LONGEST_PAUSE = 10_000

/**
 * Milliseconds to wait after so many failures in a row, counted from 1. `retryAfter`: the header's text. `chance` from 0 to
 * 1 spreads the computes that a restart of the control plane has cut off at one moment.
 */
export const pauseAfter = (failures: number, retryAfter: string | null, chance: number): number => {
  const asked = retryAfter !== null && /^\d{1,9}$/.test(retryAfter) ? Number(retryAfter) * 1000 : 0
  const own = FIRST_PAUSE * 2 ** (failures - 1) * (0.8 + 0.4 * chance)
  return Math.round(Math.min(LONGEST_PAUSE, Math.max(asked, own)))
}

export interface Refusal {
  readonly message: string
  /** Whether another request may bring another answer. */
  readonly again: boolean
}

/** Answers of something between us and the control plane, or of one that has too much to do. */
const isPassing = (code: number): boolean => code === 408 || code === 429 || code >= 500

const refuse = (message: string, again: boolean) => Result.fail<Refusal>({ message, again })

/** `status` is the code with its reason, as in `404 Not Found`. */
export function* interpret(
  code: number,
  status: string,
  body: Uint8Array
): Steps<Result.Result<ComputeConfig, Refusal>> {
  if (code === 503) return refuse("control plane is temporarily unavailable", true)
  if (code === 502) return refuse("control plane request failed with 502", true)
  if (code !== 200) return refuse(`unexpected control plane response status code: ${status}`, isPassing(code))
  const misread = (reason: string) => refuse(`could not deserialize control plane response: ${reason}`, true)
  const text = yield* utf8Steps(body)
  if (text === undefined) return misread("invalid unicode code point")
  const decoded = yield* decodeSteps(ControlPlaneConfigResponse, text)
  if (Result.isFailure(decoded)) return misread(decoded.failure.message)
  const { status: attachment, spec, compute_ctl_config } = decoded.success
  return attachment === "attached" && spec === null
    ? refuse("compute is attached, but spec is empty", false)
    : Result.succeed({ spec, compute_ctl_config })
}

/** A slash within the id stays one: ids of some platforms have two parts. */
export const configUrl = (base: string, computeId: string): string =>
  `${withoutSlashes(base)}/compute/api/v2/computes/${computeId.split("/").map(encodeURIComponent).join("/")}/spec`

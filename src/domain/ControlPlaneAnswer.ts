/**
 * What an answer of the control plane to "whose compute am I" means: a configuration, a reason to ask again, or the end.
 *
 * Source: `compute_tools/src/spec.rs` (`do_control_plane_request`, `get_config_from_control_plane`).
 */
import * as Either from "effect/Either"
import { type ComputeConfig, ControlPlaneConfigResponse } from "./ComputeConfig.ts"
import { decodeJson } from "./Decode.ts"

/** Requests before it is given up, and the pause after each that failed, in milliseconds. */
export const ATTEMPTS = 3
export const PAUSE = 100

export interface Refusal {
  readonly message: string
  /** Whether another request may bring another answer. */
  readonly again: boolean
}

const refuse = (message: string, again: boolean) => Either.left<Refusal>({ message, again })

/** `status` is the code with its reason, as in `404 Not Found`. */
export const interpret = (code: number, status: string, body: string): Either.Either<ComputeConfig, Refusal> => {
  if (code === 503) return refuse("control plane is temporarily unavailable", true)
  if (code === 502) return refuse("control plane request failed with 502", true)
  if (code !== 200) return refuse(`unexpected control plane response status code: ${status}`, false)
  const decoded = decodeJson(ControlPlaneConfigResponse, body)
  if (Either.isLeft(decoded)) {
    return refuse(`could not deserialize control plane response: ${decoded.left.message}`, true)
  }
  const { status: attachment, spec, compute_ctl_config } = decoded.right
  return attachment === "attached" && spec === null
    ? refuse("compute is attached, but spec is empty", false)
    : Either.right({ spec, compute_ctl_config })
}

/** Plain concatenation: the base is the operator's, and so are its slashes. */
export const configUrl = (base: string, computeId: string): string =>
  `${base}/compute/api/v2/computes/${computeId}/spec`

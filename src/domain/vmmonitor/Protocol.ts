/**
 * The protocol between vm-monitor and the autoscaling agent: text frames of JSON over a WebSocket.
 * The agent's members sit in `content`, ours beside `type`.
 *
 * Source: `libs/vm_monitor/src/protocol.rs`; neondatabase/autoscaling `pkg/agent/dispatcher.go`.
 */

import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const U8 = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 255 }))
const Unsigned = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))

const VersionRange = Schema.fromJsonString(Schema.Struct({ min: U8, max: U8 }))
export type VersionRange = typeof VersionRange.Type

export const decodeVersionRange = Schema.decodeUnknownResult(VersionRange)

/** The only version there is. */
const VERSION = 1

const versionName = (version: number): string =>
  version === 0 ? "<invalid: zero>" : version === VERSION ? "v1.0" : `<unknown: ${version}>`

const rangeName = ({ min, max }: VersionRange): string =>
  min === max ? versionName(min) : `${versionName(min)} to ${versionName(max)}`

/** The answer to the agent's first message, and whether the connection goes on. */
export const negotiate = (agent: VersionRange): { readonly reply: string; readonly agreed: boolean } => {
  const agreed = agent.min <= VERSION && VERSION <= agent.max
  const error = `Received protocol version range ${rangeName(agent)} which does not overlap with ${versionName(VERSION)}`
  return { agreed, reply: JSON.stringify(agreed ? { version: VERSION } : { error }) }
}

/** `cpu` in vCPUs, `mem` in bytes. */
const Resources = Schema.Struct({ cpu: Schema.Finite, mem: Unsigned })

const message = <Type extends string, S extends Schema.Constraint>(type: Type, content: S) =>
  Schema.Struct({ type: Schema.Literal(type), content, id: Unsigned })

const AgentMessage = Schema.Union([
  message("UpscaleNotification", Schema.Struct({ granted: Resources })),
  message("DownscaleRequest", Schema.Struct({ target: Resources })),
  message("HealthCheck", Schema.Struct({})),
  message("InvalidMessage", Schema.Struct({ error: Schema.String })),
  message("InternalError", Schema.Struct({ error: Schema.String }))
])
export type AgentMessage = typeof AgentMessage.Type

export const decodeAgentMessage: (text: string) => Result.Result<AgentMessage, Schema.SchemaError> =
  Schema.decodeUnknownResult(Schema.fromJsonString(AgentMessage))

export type MonitorMessage =
  | { readonly type: "UpscaleRequest"; readonly id: number }
  | { readonly type: "UpscaleConfirmation"; readonly id: number }
  | { readonly type: "DownscaleResult"; readonly Ok: boolean; readonly Status: string; readonly id: number }
  | { readonly type: "HealthCheck"; readonly id: number }
  | { readonly type: "InternalError"; readonly error: string; readonly id: number }

export const encodeMonitorMessage = (value: MonitorMessage): string => JSON.stringify(value)

/** Our own requests have odd ids, the agent's have even ones. */
export const FIRST_ID = 3
export const nextId = (id: number): number => id + 2

import * as Data from "effect/Data"
import { excerpt } from "../../../domain/json/Excerpt.ts"
import { osText } from "../../machine/osText.ts"

/** A server's error, or a connection that could not be made or broke. `message` begins as the original's driver wrote it. */
export class WireFailed extends Data.TaggedError("WireFailed")<{
  readonly message: string
  /** `server`: an ErrorResponse; `connect`: no session came about; `broken`: the connection ended or stalled; `protocol`: not what was expected. */
  readonly kind: "server" | "connect" | "broken" | "protocol"
  readonly severity: string | null
  readonly sqlstate: string | null
  readonly detail: string | null
  readonly hint: string | null
}> {}

const without = (kind: WireFailed["kind"]) => (message: string) =>
  new WireFailed({ message, kind, severity: null, sqlstate: null, detail: null, hint: null })

export const connectFailed = (reason: string) => without("connect")(`error connecting to server: ${reason}`)
export const broken = without("broken")
export const communicationFailed = (error: Error) => broken(`error communicating with the server: ${osText(error)}`)
export const unexpected = without("protocol")

/** Characters of a server's text, which goes into errors and lines of the log. */
const SHOWN = 4000

export const serverError = (fields: ReadonlyMap<string, string>) => {
  const field = (key: string) => {
    const text = fields.get(key)
    return text === undefined ? null : excerpt(text, SHOWN)
  }
  const severity = excerpt(fields.get("S") ?? "ERROR", 20)
  return new WireFailed({
    message: `db error: ${severity}: ${field("M") ?? ""}`,
    kind: "server",
    severity,
    sqlstate: fields.get("C")?.slice(0, 5) ?? null,
    detail: field("D"),
    hint: field("H")
  })
}

/**
 * Backend messages of the Postgres protocol, version 3, as bytes.
 *
 * Source: https://www.postgresql.org/docs/current/protocol-message-formats.html
 */
const cstring = (text: string): Buffer => Buffer.from(`${text}\0`)

const int16 = (value: number): Buffer => {
  const out = Buffer.alloc(2)
  out.writeInt16BE(value)
  return out
}

export const int32 = (value: number): Buffer => {
  const out = Buffer.alloc(4)
  out.writeInt32BE(value)
  return out
}

const message = (type: string, ...parts: ReadonlyArray<Buffer>): Buffer => {
  const body = Buffer.concat(parts)
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body])
}

export const authenticationOk = message("R", int32(0))
export const authenticationCleartext = message("R", int32(3))
export const parameter = (name: string, value: string): Buffer => message("S", cstring(name), cstring(value))
export const ready = message("Z", Buffer.from("I"))
export const parseComplete = message("1")
export const bindComplete = message("2")
export const closeComplete = message("3")
export const noParameters = message("t", int16(0))
export const noData = message("n")
export const copyOut = message("H", Buffer.from([0]), int16(0))
export const copyBoth = message("W", Buffer.from([0]), int16(0))
export const copyData = (bytes: Buffer): Buffer => message("d", bytes)
export const copyDone = message("c")
export const complete = (tag: string): Buffer => message("C", cstring(tag))

/** Columns by name; `text`, or `int4`. */
export const rowDescription = (columns: ReadonlyArray<readonly [name: string, type: "text" | "int4"]>): Buffer =>
  message(
    "T",
    int16(columns.length),
    ...columns.flatMap(([name, type]) => [
      cstring(name),
      int32(0),
      int16(0),
      int32(type === "text" ? 25 : 23),
      int16(type === "text" ? -1 : 4),
      int32(-1),
      int16(0)
    ])
  )

export const dataRow = (values: ReadonlyArray<string | null>): Buffer =>
  message(
    "D",
    int16(values.length),
    ...values.flatMap((value) => (value === null ? [int32(-1)] : [int32(Buffer.byteLength(value)), Buffer.from(value)]))
  )

/** Severity, SQLSTATE and message, and nothing else: storage sends no further fields. */
export const error = (sqlstate: string, text: string): Buffer =>
  message("E", cstring("SERROR"), cstring(`C${sqlstate}`), cstring(`M${text}`), Buffer.from([0]))

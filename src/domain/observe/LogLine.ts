/**
 * The three forms of a log record, each one line.
 *
 * Source: `compute_tools/src/logger.rs`; `tracing-subscriber`'s full format.
 */
import type { Level } from "./LogFilter.ts"
import { isSecretName, redact, redactWithin } from "./Redaction.ts"

export interface LogSpan {
  readonly name: string
  readonly fields: ReadonlyArray<readonly [string, string]>
}

export interface LogRecord {
  /** Epoch milliseconds. */
  readonly millis: number
  /** 0 to 999, orders what happens within one millisecond. */
  readonly micros: number
  readonly level: Level
  readonly message: string
  readonly fields: ReadonlyArray<readonly [string, string]>
  /** Outermost first. */
  readonly spans: ReadonlyArray<LogSpan>
  readonly trace: { readonly traceId: string; readonly spanId: string } | null
}

/** What replaces line breaks: invisible, and reversible for whoever collects the lines. */
const LINE_BREAK = "\u200b"

const HIDDEN = "<redacted>"
const oneLine = (text: string) => text.replace(/\r\n|\r|\n/g, LINE_BREAK)

/** Bytes of a message, and of the value of a field. */
const LONGEST = 4096
/** Lines whose JSON is taken apart downstream: they are ours, and half of one is none. */
const WHOLE = "[NEON_EXT_STAT] "

/** Texts that no escape makes too long. */
const SHORT = 512

const limited = (text: string): string => (text.length <= SHORT ? text : redactWithin(text, LONGEST))

/** Cut where it is too long for a line. */
export const messageOf = ({ message }: LogRecord): string => (message.startsWith(WHOLE) ? message : limited(message))

const fieldValue = ([name, value]: readonly [string, string]) => (isSecretName(name) ? HIDDEN : limited(value))

/** C0, C1, and what turns lines around or breaks them: a terminal that shows the log obeys it. */
const CONTROL =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is taken out
  /[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g
const hex = (character: string, digits: number) => character.charCodeAt(0).toString(16).padStart(digits, "0")

/** `\x1b`, `\u202e` */
export const printable = (text: string): string =>
  text.replace(CONTROL, (character) => (character <= "\u00ff" ? `\\x${hex(character, 2)}` : `\\u${hex(character, 4)}`))

/** On one line that no terminal obeys: JSON escapes only C0 by itself. */
export const json = (value: object | string): string =>
  JSON.stringify(value).replace(CONTROL, (character) => `\\u${hex(character, 4)}`)

const quoted = (value: string) => (/^[^\s"'=]+$/.test(value) ? value : JSON.stringify(value))

const pairs = (fields: LogRecord["fields"]) =>
  fields.map((field) => `${field[0]}=${quoted(fieldValue(field))}`).join(" ")

const withFields = (record: LogRecord) =>
  [messageOf(record), pairs(record.fields)].filter((part) => part !== "").join(" ")

/** Full RFC 3339, UTC, microseconds. */
export const timestamp = (record: Pick<LogRecord, "millis" | "micros">): string =>
  `${new Date(record.millis).toISOString().slice(0, -1)}${String(record.micros).padStart(3, "0")}Z`

/** `<time> <level> <span{k=v}:span:> <message> <k=v ...>`, without the line feed. */
export const textLine = (record: LogRecord): string => {
  const spans = record.spans.map(({ name, fields }) =>
    fields.length === 0 ? `${name}:` : `${name}{${pairs(fields)}}:`
  )
  const head = `${timestamp(record)} ${record.level.padStart(5)} ${spans.join("")}${spans.length === 0 ? "" : " "}`
  return printable(oneLine(redact(head + withFields(record))))
}

/** Fields without their secrets. */
export const object = (fields: LogRecord["fields"]) =>
  Object.fromEntries(fields.map((field) => [field[0], redact(fieldValue(field))]))

/** One JSON object for machines. */
export const jsonLine = (record: LogRecord): string =>
  json({
    timestamp: timestamp(record),
    level: record.level,
    message: redact(messageOf(record)),
    ...(record.fields.length > 0 && { fields: object(record.fields) }),
    ...(record.spans.length > 0 && { spans: record.spans.map(({ name, fields }) => ({ name, ...object(fields) })) }),
    ...(record.trace !== null && { trace_id: record.trace.traceId, span_id: record.trace.spanId })
  })

export interface Identity {
  readonly instanceId: string
  readonly computeId: string
}

/** The shape of Postgres' jsonlog, with a space after each colon and comma as the original writes it. */
export const postgresLine = (record: LogRecord, identity: Identity): string => {
  const time = timestamp(record).slice(0, 23).replace("T", " ")
  const members: ReadonlyArray<readonly [string, string]> = [
    ["timestamp", `${time} GMT`],
    ["error_severity", record.level],
    ["file_name", "compute_ctl"],
    ["backend_type", "compute_ctl_self"],
    ["pg_instance_id", identity.instanceId],
    ["pg_compute_id", identity.computeId],
    ["message", redact(withFields(record))]
  ]
  return `{${members.map(([key, value]) => `"${key}": ${json(value)}`).join(", ")}}`
}

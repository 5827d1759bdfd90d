/**
 * A record of the job's log: JSON on one line, the fields apart from the head.
 *
 * Source: `libs/utils/src/logging.rs` (`tracing-subscriber`'s JSON format).
 */
import { json, type LogRecord, messageOf, object, timestamp } from "../observe/LogLine.ts"
import { redact } from "../observe/Redaction.ts"

const COUNTS = new Set(["pid", "objects", "objects_done", "bytes", "bytes_done", "tables", "tables_done"])

const fieldsOf = (record: LogRecord) =>
  Object.entries(object(record.fields)).map(([name, text]) => [name, COUNTS.has(name) ? Number(text) : text] as const)

export const logLine = (record: LogRecord): string => {
  const spans = record.spans.map(({ name }) => ({ name }))
  return json({
    timestamp: timestamp(record),
    level: record.level,
    fields: { message: redact(messageOf(record)), ...Object.fromEntries(fieldsOf(record)) },
    ...(spans.length > 0 && { span: spans.at(-1), spans })
  })
}

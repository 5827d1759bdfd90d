/**
 * A collector of traces that understands both encodings of OTLP over HTTP.
 */
import { createServer, type IncomingHttpHeaders } from "node:http"
import { gunzipSync } from "node:zlib"
import * as Effect from "effect/Effect"

export interface CollectedSpan {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string
  readonly kind: number
  readonly status: number
  readonly attributes: Record<string, string>
  readonly events: ReadonlyArray<string>
  readonly nanos: bigint
}

export interface Collected {
  readonly headers: IncomingHttpHeaders
  readonly path: string
  readonly resource: Record<string, string>
  readonly spans: ReadonlyArray<CollectedSpan>
  readonly text: string
}

type Field = { readonly field: number; readonly value: bigint | Buffer }

const fieldsOf = (message: Buffer): ReadonlyArray<Field> => {
  const fields: Array<Field> = []
  let at = 0
  const varint = () => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++]
      if (byte === undefined) throw new Error("truncated varint")
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  while (at < message.length) {
    const key = Number(varint())
    const wire = key & 7
    if (wire === 0) fields.push({ field: key >> 3, value: varint() })
    else {
      const length = wire === 2 ? Number(varint()) : wire === 1 ? 8 : wire === 5 ? 4 : -1
      if (length < 0 || at + length > message.length) throw new Error(`bad field ${key}`)
      fields.push({ field: key >> 3, value: message.subarray(at, at + length) })
      at += length
    }
  }
  return fields
}

const all = (message: Buffer, field: number) =>
  fieldsOf(message).flatMap((entry) => (entry.field === field && Buffer.isBuffer(entry.value) ? [entry.value] : []))
const one = (message: Buffer, field: number) => all(message, field)[0] ?? Buffer.alloc(0)
const int = (message: Buffer, field: number) => {
  const found = fieldsOf(message).find((entry) => entry.field === field)?.value
  return typeof found === "bigint" ? found : 0n
}

const anyValue = (message: Buffer) => {
  const [value] = fieldsOf(message)
  if (value === undefined) return ""
  if (value.field === 1) return String(value.value)
  if (value.field === 4 && Buffer.isBuffer(value.value)) return String(value.value.readDoubleLE())
  return value.field === 2 ? String(value.value === 1n) : String(value.value)
}

const pairs = (messages: ReadonlyArray<Buffer>) =>
  Object.fromEntries(messages.map((pair) => [one(pair, 1).toString(), anyValue(one(pair, 2))]))

const fromProtobuf = (bytes: Buffer) => {
  const [resourceSpans = Buffer.alloc(0)] = all(bytes, 1)
  const spans = all(resourceSpans, 2)
    .flatMap((scope) => all(scope, 2))
    .map(
      (span): CollectedSpan => ({
        traceId: one(span, 1).toString("hex"),
        spanId: one(span, 2).toString("hex"),
        parentSpanId: one(span, 4).toString("hex"),
        name: one(span, 5).toString(),
        kind: Number(int(span, 6)),
        nanos: one(span, 8).readBigUInt64LE() - one(span, 7).readBigUInt64LE(),
        attributes: pairs(all(span, 9)),
        events: all(span, 11).map((event) => one(event, 2).toString()),
        status: Number(int(one(span, 15), 3))
      })
    )
  return { resource: pairs(all(one(resourceSpans, 1), 1)), spans }
}

type JsonPair = { key: string; value: Record<string, string> }
interface JsonSpan {
  name: string
  traceId: string
  spanId: string
  parentSpanId?: string
  kind: number
  startTimeUnixNano: string
  endTimeUnixNano: string
  attributes: ReadonlyArray<JsonPair>
  events: ReadonlyArray<{ name: string }>
  status: { code: number }
}
const jsonPairs = (list: ReadonlyArray<JsonPair>) =>
  Object.fromEntries(list.map(({ key, value }) => [key, String(Object.values(value)[0])]))

const fromJson = (text: string) => {
  const [{ resource, scopeSpans }] = JSON.parse(text).resourceSpans
  const spans = (scopeSpans as ReadonlyArray<{ spans: ReadonlyArray<JsonSpan> }>)
    .flatMap((scope) => scope.spans)
    .map((span) => ({
      ...span,
      parentSpanId: span.parentSpanId ?? "",
      nanos: BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano),
      attributes: jsonPairs(span.attributes),
      events: span.events.map((event) => event.name),
      status: span.status.code
    }))
  return { resource: jsonPairs(resource.attributes), spans }
}

/** `behaviour` decides on each request: a status, or never an answer. */
export const traceCollector = (behaviour: () => number | "hang" = () => 200) =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<{ readonly url: string; readonly received: Array<Collected>; readonly close: () => void }>(
          (resolve) => {
            const received: Array<Collected> = []
            const server = createServer(async (request, response) => {
              const chunks: Array<Buffer> = []
              for await (const chunk of request) chunks.push(chunk)
              const sent = Buffer.concat(chunks)
              const bytes = request.headers["content-encoding"] === "gzip" ? gunzipSync(sent) : sent
              const decoded =
                request.headers["content-type"] === "application/json"
                  ? fromJson(bytes.toString())
                  : fromProtobuf(bytes)
              received.push({
                headers: request.headers,
                path: request.url ?? "",
                text: bytes.toString("latin1"),
                ...decoded
              })
              const status = behaviour()
              if (status !== "hang") response.writeHead(status).end()
            })
            server.listen(0, "127.0.0.1", () => {
              const address = server.address()
              const port = typeof address === "object" && address !== null ? address.port : 0
              const close = () => {
                server.closeAllConnections()
                server.close()
              }
              resolve({ url: `http://127.0.0.1:${port}`, received, close })
            })
          }
        )
    ),
    ({ close }) => Effect.sync(close)
  )

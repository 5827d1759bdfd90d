/**
 * HTTP without a client's opinions: answers as they came.
 */
import { request as send } from "node:http"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"

export class HttpFailed extends Data.TaggedError("HttpFailed")<{ readonly message: string }> {}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly body: string
}

export interface Request {
  readonly method?: string
  readonly host?: string
  readonly port: number
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Buffer
}

export const http = (request: Request, limit: number = 60_000): Effect.Effect<Answer, HttpFailed> =>
  Effect.callback((resume) => {
    const { method = "GET", host = "127.0.0.1", port, path, headers = {}, body } = request
    const failed = (cause: Error) =>
      resume(Effect.fail(new HttpFailed({ message: `${method} ${path}: ${cause.message}` })))
    const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) }
    const outgoing = send({
      method,
      host,
      port,
      path,
      agent: false,
      maxHeaderSize: 128 * 1024,
      headers: { ...length, ...headers },
      timeout: limit
    })
    outgoing.on("timeout", () => outgoing.destroy(new Error(`no answer within ${limit} ms`)))
    outgoing.on("error", failed)
    outgoing.on("response", (incoming) => {
      const parts: Array<Buffer> = []
      incoming.on("data", (part: Buffer) => parts.push(part))
      incoming.on("error", failed)
      incoming.on("end", () =>
        resume(
          Effect.succeed({
            status: incoming.statusCode ?? 0,
            headers: incoming.headers,
            body: Buffer.concat(parts).toString()
          })
        )
      )
    })
    outgoing.end(body)
    return Effect.sync(() => outgoing.destroy())
  })

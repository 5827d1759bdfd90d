/**
 * Object storage and a key service as AWS speaks them, on a port of 127.0.0.1. Requests whose signature is wrong are refused.
 */
import { createHash, createHmac } from "node:crypto"
import * as http from "node:http"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"

export const keys = { id: "AKIDEXAMPLE", secret: "a/secret+of=ours", token: "session-token", region: "eu-test-1" }

export interface Asked {
  readonly method: string
  /** Decoded, without the query. */
  readonly path: string
  readonly query: string
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
  /** 0 until it is answered. */
  status: number
}

export interface ObjectStore {
  readonly port: number
  /** The environment by which AWS' tools find it. */
  readonly env: Readonly<Record<string, string>>
  /** By `bucket/key`, in the order in which they were written first. */
  readonly objects: Map<string, Buffer>
  readonly asked: Array<Asked>
  /** The status to answer with instead; null: as usual. `cut`: the connection ends; `silent`: nothing comes. */
  fault: (asked: Asked) => number | "cut" | "silent" | null
  /** What the key service makes of a text of ours. */
  readonly encrypt: (text: string | Buffer) => string
  readonly keyId: string
}

const sha256 = (data: string | Buffer) => createHash("sha256").update(data).digest("hex")
const hmac = (key: string | Buffer, text: string) => createHmac("sha256", key).update(text).digest()

/**
 * Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html. Null when it is right.
 */
const wrongSignature = (request: http.IncomingMessage, body: Buffer): string | null => {
  const header = request.headers.authorization ?? ""
  const [, scope = "", names = "", signature = ""] =
    /^AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(header) ?? []
  const [id, date = "", region = "", service = "", end = ""] = scope.split("/")
  if (id !== keys.id || region !== keys.region || end !== "aws4_request") return `credential ${scope}`
  if (request.headers["x-amz-security-token"] !== keys.token) return "session token"
  const [path = "", query = ""] = (request.url ?? "").split("?")
  const given = String(request.headers["x-amz-content-sha256"] ?? sha256(body))
  if (/^[0-9a-f]{64}$/.test(given) && given !== sha256(body)) return "hash of the body"
  const canonical = [
    request.method,
    path,
    query
      .split("&")
      .filter((pair) => pair !== "")
      .map((pair) => (pair.includes("=") ? pair : `${pair}=`))
      .toSorted()
      .join("&"),
    ...names.split(";").map(
      (name) =>
        `${name}:${String(request.headers[name] ?? "")
          .trim()
          .replace(/\s+/g, " ")}`
    ),
    "",
    names,
    given
  ].join("\n")
  const time = String(request.headers["x-amz-date"] ?? "")
  const text = ["AWS4-HMAC-SHA256", time, [date, region, service, end].join("/"), sha256(canonical)].join("\n")
  const key = [date, region, service, end].reduce<string | Buffer>(
    (made, part) => hmac(made, part),
    `AWS4${keys.secret}`
  )
  return hmac(key, text).toString("hex") === signature ? null : "signature"
}

const xml = (code: string) => `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`
const codes: Readonly<Record<number, string>> = {
  403: "AccessDenied",
  404: "NoSuchKey",
  503: "SlowDown",
  500: "InternalError"
}

const SEAL = Buffer.from("sealed:")

const makeStore = () => {
  const objects = new Map<string, Buffer>()
  const uploads = new Map<string, Map<number, Buffer>>()
  const asked: Array<Asked> = []
  const keyId = "arn:aws:kms:eu-test-1:000000000000:key/1"
  const md5 = (data: Buffer) => createHash("md5").update(data).digest("hex")

  const parts = (key: string, request: Asked): { status: number; body: string; headers?: Record<string, string> } => {
    const query = new URLSearchParams(request.query)
    if (request.method === "POST" && query.has("uploads")) {
      uploads.set("1", new Map())
      return {
        status: 200,
        body: "<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>"
      }
    }
    const pieces = uploads.get(query.get("uploadId") ?? "")
    if (pieces === undefined) return { status: 404, body: xml("NoSuchUpload") }
    if (request.method === "PUT") {
      pieces.set(Number(query.get("partNumber")), request.body)
      return { status: 200, body: "", headers: { etag: `"${md5(request.body)}"` } }
    }
    objects.set(key, Buffer.concat([...pieces].toSorted(([a], [b]) => a - b).map(([, piece]) => piece)))
    return {
      status: 200,
      body: `<CompleteMultipartUploadResult><ETag>"x-${pieces.size}"</ETag></CompleteMultipartUploadResult>`
    }
  }

  const s3 = (request: Asked) => {
    const key = request.path.slice(1)
    if (/(?:^|&)(?:uploads|uploadId)(?:=|&|$)/.test(request.query)) return parts(key, request)
    const found = objects.get(key)
    if (request.method === "PUT") {
      objects.set(key, request.body)
      return { status: 200, body: "", headers: { etag: `"${md5(request.body)}"` } }
    }
    return found === undefined
      ? { status: 404, body: xml("NoSuchKey") }
      : { status: 200, body: found, headers: { etag: `"${md5(found)}"` } }
  }

  const kms = ({ body, headers }: Asked) => {
    const refused = (type: string) => ({ status: 400, body: JSON.stringify({ __type: type, message: type }) })
    const { CiphertextBlob, KeyId } = JSON.parse(String(body))
    if (headers["x-amz-target"] !== "TrentService.Decrypt") return refused("UnknownOperationException")
    if (KeyId !== keyId) return refused("NotFoundException")
    const bytes = Buffer.from(CiphertextBlob, "base64")
    if (!bytes.subarray(0, SEAL.length).equals(SEAL)) return refused("InvalidCiphertextException")
    return { status: 200, body: JSON.stringify({ KeyId, Plaintext: bytes.subarray(SEAL.length).toString("base64") }) }
  }

  return {
    objects,
    asked,
    keyId,
    answer: (request: Asked) => (request.headers["x-amz-target"] === undefined ? s3(request) : kms(request)),
    encrypt: (text: string | Buffer) => Buffer.concat([SEAL, Buffer.from(text)]).toString("base64")
  }
}

export const startObjectStore: Effect.Effect<ObjectStore, never, Scope.Scope> = Effect.acquireRelease(
  Effect.callback<{ readonly store: ObjectStore; readonly server: http.Server }>((resume) => {
    const { answer, asked, encrypt, keyId, objects } = makeStore()
    const server = http.createServer((request, response) => {
      const chunks: Array<Buffer> = []
      request.on("data", (chunk: Buffer) => chunks.push(chunk))
      request.on("error", () => undefined)
      request.on("end", () => {
        const body = Buffer.concat(chunks)
        const [path = "", query = ""] = (request.url ?? "").split("?")
        const { headers, method = "" } = request
        const one: Asked = { method, path: decodeURIComponent(path), query, headers, body, status: 0 }
        asked.push(one)
        const fault = store.fault(one)
        if (fault === "silent") return
        if (fault === "cut") return void request.socket.destroy()
        const wrong = wrongSignature(request, body)
        const reply =
          wrong !== null
            ? { status: 403, body: xml(`SignatureDoesNotMatch: ${wrong}`) }
            : fault !== null
              ? { status: fault, body: xml(codes[fault] ?? "Fault") }
              : answer(one)
        one.status = reply.status
        response.writeHead(reply.status, {
          "content-length": Buffer.byteLength(reply.body),
          ...("headers" in reply ? reply.headers : {})
        })
        response.end(method === "HEAD" ? undefined : reply.body)
      })
    })
    const store: ObjectStore = {
      port: 0,
      env: {},
      objects,
      asked,
      fault: () => null,
      encrypt,
      keyId
    }
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      const env = {
        AWS_ENDPOINT_URL: `http://127.0.0.1:${port}`,
        AWS_ACCESS_KEY_ID: keys.id,
        AWS_SECRET_ACCESS_KEY: keys.secret,
        AWS_SESSION_TOKEN: keys.token,
        AWS_REGION: keys.region
      }
      Object.assign(store, { port, env })
      resume(Effect.succeed({ store, server }))
    })
  }),
  ({ server }) =>
    Effect.callback<void>((resume) => {
      server.closeAllConnections()
      server.close(() => resume(Effect.void))
    })
).pipe(Effect.map(({ store }) => store))

/**
 * The library of AWS against storage that checks every signature.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { afterEach, assert, beforeEach, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { Aws } from "../../../src/layers/fastImport/aws/Aws.ts"
import { open } from "../../../src/layers/fastImport/aws/library.ts"
import { type ObjectStore, startObjectStore } from "../../rig/objectStore.ts"
import { tempDir } from "../../rig/postgres.ts"

const names = ["AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION"]
let before: ReadonlyArray<readonly [string, string | undefined]> = []

beforeEach(() => {
  before = names.map((name) => [name, process.env[name]])
})

afterEach(() => {
  for (const [name, value] of before) {
    if (value === undefined) delete process.env[name]
    else process.env[name] = value
  }
})

const connected = Effect.gen(function* () {
  const store = yield* startObjectStore
  Object.assign(process.env, store.env)
  const opened = yield* Effect.promise(() => open(process.env, { largestPut: 8e6, smallestPart: 5 * 1024 ** 2 }))
  yield* Effect.addFinalizer(() => Effect.sync(opened.close))
  const folder = yield* tempDir("aws-")
  return { store, opened, folder }
})

const never = new AbortController().signal
const place = (key: string) => ({ bucket: "bkt", key })

const putFile = (opened: Aws, file: string, key: string, signal = never) =>
  Effect.promise(() =>
    opened.put(place(key), { file, size: fs.statSync(file).size }, signal).then(
      () => "done",
      (error: Error) => error.name
    )
  )

const puts = ({ asked }: ObjectStore) => asked.filter(({ method }) => method === "PUT").map(({ status }) => status)

describe("the library of AWS", () => {
  it.live("signs what it asks for, and puts a file as the original does", () =>
    Effect.gen(function* () {
      const { folder, opened, store } = yield* connected
      const file = path.join(folder, "a file")
      fs.writeFileSync(file, "content")
      assert.strictEqual(yield* putFile(opened, file, "k/pgdata/base/1 ü+/a"), "done")
      assert.strictEqual(String(store.objects.get("bkt/k/pgdata/base/1 ü+/a")), "content")
      const [asked] = store.asked
      assert.strictEqual(asked?.query, "x-id=PutObject")
      assert.strictEqual(asked?.headers["content-type"], "application/octet-stream")
      assert.strictEqual(asked?.headers["content-length"], "7")
      assert.strictEqual(asked?.headers["x-amz-content-sha256"], "UNSIGNED-PAYLOAD")
      assert.isUndefined(asked?.headers["x-amz-checksum-crc32"])
      assert.deepStrictEqual(yield* Effect.promise(() => opened.head(place("k/pgdata/base/1 ü+/a"), never)), {
        size: 7,
        etag: "9a0364b9e99bb480dd25e1f0284c8555"
      })
      assert.isNull(yield* Effect.promise(() => opened.head(place("none"), never)))
      const { body } = yield* Effect.promise(() => opened.get(place("k/pgdata/base/1 ü+/a"), 7, never))
      assert.strictEqual(Buffer.from(yield* Effect.promise(body)).toString(), "content")
      const plain = yield* Effect.promise(() =>
        opened.decrypt(store.keyId, Buffer.from(store.encrypt("text"), "base64"), never)
      )
      assert.strictEqual(Buffer.from(plain ?? []).toString(), "text")
    }).pipe(Effect.scoped)
  )

  it.live("sends a file again when storage is busy or hangs up, and not when it refuses", () =>
    Effect.gen(function* () {
      const { folder, opened, store } = yield* connected
      const file = path.join(folder, "file")
      fs.writeFileSync(file, "x".repeat(100_000))
      let times = 0
      store.fault = () => (++times === 1 ? 503 : times === 2 ? "cut" : null)
      assert.strictEqual(yield* putFile(opened, file, "a"), "done")
      assert.deepStrictEqual(puts(store), [503, 0, 200])
      assert.strictEqual(store.objects.get("bkt/a")?.length, 100_000)
      store.asked.length = 0
      store.fault = () => 403
      assert.strictEqual(yield* putFile(opened, file, "b"), "AccessDenied")
      assert.deepStrictEqual(puts(store), [403])
    }).pipe(Effect.scoped)
  )

  it.live("sends a file in parts when it is too large for one request", () =>
    Effect.gen(function* () {
      const { folder, opened, store } = yield* connected
      const file = path.join(folder, "large")
      fs.writeFileSync(file, Buffer.alloc(11_000_000, "abcdefg"))
      assert.strictEqual(yield* putFile(opened, file, "large"), "done")
      assert.isTrue(store.objects.get("bkt/large")?.equals(fs.readFileSync(file)))
      assert.deepStrictEqual(puts(store), [200, 200, 200])
    }).pipe(Effect.scoped)
  )

  it.live("gives up with the signal", () =>
    Effect.gen(function* () {
      const { folder, opened, store } = yield* connected
      const file = path.join(folder, "file")
      fs.writeFileSync(file, "x")
      const controller = new AbortController()
      store.fault = () => {
        controller.abort()
        return 503
      }
      assert.strictEqual(yield* putFile(opened, file, "a", controller.signal), "AbortError")
      assert.lengthOf(puts(store), 1)
    }).pipe(Effect.scoped)
  )
})

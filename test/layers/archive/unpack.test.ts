import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as zlib from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import { unpack } from "../../../src/layers/archive/unpack.ts"
import { descriptors } from "../../rig/resources.ts"
import { attribute, end, entry, essentials, type Raw, tar } from "../basebackup/archives.ts"

const folder = Effect.acquireRelease(
  Effect.sync(() => fs.mkdtempSync(path.join(os.tmpdir(), "unpack-"))),
  (dir) => Effect.sync(() => fs.rmSync(dir, { recursive: true, force: true }))
)

const streamOf = (bytes: Buffer, piece = 8192) =>
  Stream.fromIterable(
    Array.from({ length: Math.ceil(bytes.length / piece) }, (_, at) => bytes.subarray(at * piece, (at + 1) * piece))
  )

/** Everything below a folder: type, mode and content, by name. */
const tree = (dir: string): Record<string, string> =>
  Object.fromEntries(
    fs
      .readdirSync(dir, { recursive: true, encoding: "utf8" })
      .sort()
      .map((name) => {
        const stat = fs.lstatSync(path.join(dir, name))
        const content = stat.isFile() ? `${stat.size} ${fs.readFileSync(path.join(dir, name)).toString("base64")}` : ""
        return [name, `${stat.isFile() ? "file" : "dir"} ${(stat.mode & 0o7777).toString(8)} ${content}`]
      })
  )

class ServerSaid extends Data.TaggedError("ServerSaid")<{ readonly message: string }> {}

const unpackTar = (dir: string, archive: Buffer, piece?: number) =>
  unpack(dir, streamOf(zlib.gzipSync(archive, { level: 1 }), piece), null)

describe("unpack", () => {
  for (const name of ["primary", "replica"]) {
    it.live(`unpacks a recorded basebackup of a ${name} as tar does`, () =>
      Effect.gen(function* () {
        const file = new URL(`../../golden/storage/basebackup-${name}.tar.gz`, import.meta.url).pathname
        const archive = fs.readFileSync(file)
        const ours = yield* folder
        const theirs = yield* folder
        execFileSync("tar", ["-xzf", file, "-C", theirs, "--no-same-owner"])
        assert.strictEqual(yield* unpack(ours, streamOf(archive), null), archive.length)
        // Neither gives the folder above `archive_status` an entry of its own.
        for (const dir of [ours, theirs]) fs.chmodSync(path.join(dir, "pg_wal"), 0o755)
        assert.deepStrictEqual(tree(ours), tree(theirs))
        const segment = "pg_wal/000000010000000000000001"
        assert.isBelow(fs.statSync(path.join(ours, segment)).blocks * 512, 1024 * 1024)
        assert.strictEqual(
          fs.statSync(path.join(ours, segment)).mtimeMs,
          fs.statSync(path.join(theirs, segment)).mtimeMs
        )
      })
    )
  }

  it.live("does not mind where the stream is divided", () =>
    Effect.gen(function* () {
      const archive = tar(
        { name: "a", body: "x".repeat(1300) },
        { name: "deep/er/b", body: "y", mode: 0o640 },
        { name: "empty" }
      )
      const whole = yield* folder
      yield* unpackTar(whole, archive)
      for (const piece of [1, 7, 511, 513]) {
        const dir = yield* folder
        yield* unpackTar(dir, archive, piece)
        assert.deepStrictEqual(tree(dir), tree(whole))
      }
      assert.strictEqual(tree(whole)["deep/er/b"], "file 640 1 eQ==")
    })
  )

  it.live("keeps holes and the bytes around them apart", () =>
    Effect.gen(function* () {
      const dir = yield* folder
      const body = Buffer.alloc(3_000_001)
      for (const at of [0, 32_768, 40_000, 1_048_575, 1_048_576, 2_999_999]) body[at] = 0xff
      const zeros = Buffer.alloc(600_000)
      yield* unpackTar(dir, tar({ name: "some", body }, { name: "zeros", body: zeros }))
      assert.isTrue(fs.readFileSync(path.join(dir, "some")).equals(body))
      assert.isTrue(fs.readFileSync(path.join(dir, "zeros")).equals(zeros))
    })
  )

  it.live("reads long names, attributes, binary sizes, POSIX prefixes and old directories", () =>
    Effect.gen(function* () {
      const dir = yield* folder
      const long = `base/${"l".repeat(150)}`
      yield* unpackTar(
        dir,
        tar(
          { name: "././@LongLink", type: "L", body: `${long}\0` },
          { name: long.slice(0, 100), body: "long" },
          { name: "PaxHeader", type: "x", body: attribute("path", "base/ünïcode") + attribute("mtime", "1.5") },
          { name: "ignored", body: "pax" },
          { name: "global-attributes", type: "g", body: attribute("comment", "x") },
          { name: "binary", body: "12345", binarySize: true },
          { name: "b", prefix: "a", magic: "ustar\x0000", body: "prefixed" },
          { name: "old/", body: "" },
          { name: "./dot//file", body: "dots" },
          { name: "/abs/file", body: "absolute" }
        )
      )
      const read = (name: string) => fs.readFileSync(path.join(dir, name), "utf8")
      assert.strictEqual(read(long), "long")
      assert.strictEqual(read("base/ünïcode"), "pax")
      assert.isFalse(fs.existsSync(path.join(dir, "ignored")))
      assert.strictEqual(read("binary"), "12345")
      assert.strictEqual(read("a/b"), "prefixed")
      assert.isTrue(fs.statSync(path.join(dir, "old")).isDirectory())
      assert.strictEqual(read("dot/file"), "dots")
      assert.strictEqual(read("abs/file"), "absolute")
    })
  )

  it.live("goes on past the end marker", () =>
    Effect.gen(function* () {
      const dir = yield* folder
      yield* unpackTar(dir, Buffer.concat([tar(), entry({ name: "later", body: "x" }), end, Buffer.alloc(10_240)]))
      assert.isTrue(fs.existsSync(path.join(dir, "later")))
    })
  )

  it.live("never leaves the directory", () =>
    Effect.gen(function* () {
      const above = yield* folder
      const dir = path.join(above, "pgdata")
      const outside = path.join(above, "outside")
      fs.mkdirSync(dir)
      fs.mkdirSync(outside)
      yield* unpackTar(
        dir,
        tar(
          { name: "../evil", body: "x" },
          { name: "a/../../evil", body: "x" },
          { name: "../outside", type: "5" },
          { name: `${outside}/evil`, body: "below" }
        )
      )
      assert.deepStrictEqual(fs.readdirSync(above).sort(), ["outside", "pgdata"])
      assert.deepStrictEqual(fs.readdirSync(outside), [])
      assert.strictEqual(fs.readFileSync(path.join(dir, outside, "evil"), "utf8"), "below")
      assert.isFalse(fs.existsSync(path.join(dir, "evil")))
    })
  )

  const refusals: ReadonlyArray<readonly [string, ReadonlyArray<Raw>, string]> = [
    ["links to elsewhere", [{ name: "link", type: "2", link: "/etc" }], "a link out of its directory: link"],
    ["links upwards", [{ name: "a/link", type: "2", link: "../../etc" }], "a link out of its directory: a/link"],
    [
      "hard links to nothing",
      [{ name: "link", type: "1", link: "PG_VERSION" }],
      "a hard link to a file that it does not have: link"
    ],
    [
      "hard links to what is ours",
      [{ name: "link", type: "1", link: "server.key" }],
      "a link out of its directory: link"
    ],
    [
      "entries behind links",
      [
        { name: "base", type: "5" },
        { name: "link", type: "2", link: "base" },
        { name: "link/x", body: "x" }
      ],
      "an entry behind a link: link/x"
    ],
    ["sparse files", [{ name: "x", type: "S" }], "a sparse file: x"],
    ["devices", [{ name: "null", type: "3" }], "a device: null"],
    ["pipes", [{ name: "fifo", type: "6" }], "a pipe: fifo"],
    ["unknown types", [{ name: "odd", type: "Q" }], 'an entry of unknown type "Q": odd'],
    ["wrong checksums", [{ name: "x", checksum: 1 }], "a block that should be a header is none"],
    ["bodies shorter than their headers say", [{ name: "x", body: "abc", size: 1_000_000 }], "cut off inside x"],
    ["endless names", [{ name: "n", type: "L", size: 10_000_000 }], "describes an entry with 10000000 bytes"],
    ["attributes that are none", [{ name: "n", type: "x", body: "99 a=b\n" }], "attributes of an entry cannot be read"]
  ]
  for (const [what, entries, expected] of refusals) {
    it.live(`refuses ${what}`, () =>
      Effect.gen(function* () {
        const dir = yield* folder
        const error = yield* Effect.flip(unpackTar(dir, tar(...entries)))
        assert.strictEqual(error._tag, "BadBasebackup")
        assert.include(error.message, expected)
      })
    )
  }

  it.live("makes links that stay inside", () =>
    Effect.gen(function* () {
      const dir = yield* folder
      const long = `base/${"n".repeat(140)}`
      yield* unpackTar(
        dir,
        tar(
          { name: "././@LongLink", type: "L", body: `${long}\0` },
          { name: "cut", body: "content" },
          { name: "././@LongLink", type: "K", body: `${long}\0` },
          { name: "hard", type: "1", link: "cut" },
          { name: "././@LongLink", type: "K", body: `../${long}\0` },
          { name: "deep/soft", type: "2", link: "cut" },
          { name: "twice", body: "one" },
          { name: "twice", body: "two" }
        )
      )
      for (const name of [long, "hard", "deep/soft"]) {
        assert.strictEqual(fs.readFileSync(path.join(dir, name), "utf8"), "content")
      }
      assert.strictEqual(fs.statSync(path.join(dir, "hard")).nlink, 2)
      assert.isTrue(fs.lstatSync(path.join(dir, "deep/soft")).isSymbolicLink())
      assert.strictEqual(fs.readFileSync(path.join(dir, "twice"), "utf8"), "two")
    })
  )

  it.live("gives its descriptors back, whatever it meets", () =>
    Effect.gen(function* () {
      const open = () => descriptors(process.pid).filter((file) => file.includes("unpack-"))
      const leaking = Array.from(
        { length: 200 },
        (_, at): ReadonlyArray<Raw> => [
          { name: "pax", type: "x", body: attribute("size", "-512") },
          { name: `leak${at}`, body: "x" }
        ]
      )
      for (const entries of [
        leaking.flat(),
        [{ name: "cut", body: "x", size: 100_000 }],
        [
          { name: "a", body: "x" },
          { name: "a/b", body: "x" }
        ],
        [
          { name: "d", type: "5" },
          { name: "d", body: "a file in place of a folder" }
        ]
      ]) {
        yield* Effect.flip(unpackTar(yield* folder, tar(...entries)))
        assert.deepStrictEqual(open(), [])
      }
    })
  )

  it.live("remembers so many folders and links and no more", () =>
    Effect.gen(function* () {
      const target = "t".repeat(4000)
      const links = Array.from(
        { length: 9000 },
        (_, at): ReadonlyArray<Raw> => [
          { name: "././@LongLink", type: "K", body: target },
          { name: `l${at}`, type: "2" }
        ]
      )
      const error = yield* Effect.flip(unpackTar(yield* folder, tar(...links.flat())))
      assert.include(error.message, "too many folders and links")
      const deep = yield* Effect.flip(
        unpackTar(yield* folder, tar({ name: "L", type: "L", body: "d/".repeat(200) }, { name: "x", type: "5" }))
      )
      assert.include(deep.message, "more than 100 folders")
    })
  )

  it.live("names the file that could not be written", () =>
    Effect.gen(function* () {
      const dir = yield* folder
      const error = yield* Effect.flip(
        unpackTar(dir, tar({ name: "base", body: "a file" }, { name: "base/1/x", body: "below a file" }))
      )
      assert.strictEqual(error._tag, "DataDirectoryFailed")
      assert.include(error.message, `${dir}/base/1/x: `)
      assert.strictEqual((yield* Effect.flip(unpackTar(`${dir}/missing`, tar())))._tag, "DataDirectoryFailed")
    })
  )

  it.live("empties what an earlier try left, but for what is ours", () =>
    Effect.gen(function* () {
      const dir = yield* folder
      fs.writeFileSync(path.join(dir, "postgresql.conf"), "ours")
      fs.writeFileSync(path.join(dir, "server.key"), "key")
      fs.mkdirSync(path.join(dir, "base/5"), { recursive: true })
      fs.writeFileSync(path.join(dir, "base/5/leftover"), "x")
      fs.symlinkSync("/dev/shm/", path.join(dir, "pg_dynshmem"))
      yield* unpackTar(dir, tar({ name: "pg_dynshmem", type: "5" }, { name: "postgresql.conf", body: "theirs" }))
      assert.deepStrictEqual(fs.readdirSync(dir).sort(), [
        "global",
        "neon.signal",
        "pg_dynshmem",
        "postgresql.conf",
        "server.key"
      ])
      assert.strictEqual(fs.readFileSync(path.join(dir, "postgresql.conf"), "utf8"), "ours")
      assert.isTrue(fs.lstatSync(path.join(dir, "pg_dynshmem")).isDirectory())
    })
  )

  it.live("fails without pg_control, and without a file at all", () =>
    Effect.gen(function* () {
      const [signal = Buffer.alloc(0)] = essentials
      for (const archive of [end, Buffer.concat([signal, end])]) {
        const error = yield* Effect.flip(unpackTar(yield* folder, archive))
        assert.include(error.message, "no global/pg_control")
      }
      const nothing = yield* Effect.flip(unpack(yield* folder, Stream.empty, null))
      assert.strictEqual(nothing._tag, "BadBasebackup")
    })
  )

  it.live("fails on every cut of the compressed stream", () =>
    Effect.gen(function* () {
      const whole = zlib.gzipSync(tar({ name: "a", body: "some text ".repeat(50) }))
      for (let length = 1; length < whole.length; length++) {
        const error = yield* Effect.flip(unpack(yield* folder, streamOf(whole.subarray(0, length)), null))
        assert.strictEqual(error.message, "cannot gunzip the basebackup: unexpected end of file")
      }
    })
  )

  it.live("fails on damage, and on what is not gzip", () =>
    Effect.gen(function* () {
      const whole = zlib.gzipSync(tar({ name: "a", body: Buffer.from(Array.from({ length: 5000 }, (_, i) => i * i)) }))
      const crc = Buffer.from(whole)
      crc[whole.length - 8] = (crc[whole.length - 8] ?? 0) ^ 0xff
      const middle = Buffer.from(whole)
      middle.fill(0xff, 100, 140)
      for (const bytes of [crc, middle, tar(), Buffer.from("HTTP/1.1 500")]) {
        const error = yield* Effect.flip(unpack(yield* folder, streamOf(bytes), null))
        assert.strictEqual(error._tag, "BadBasebackup")
        assert.include(error.message, "cannot gunzip the basebackup: ")
      }
    })
  )

  it.live("reads several gzip members as one and past zeros behind them, and fails on garbage", () =>
    Effect.gen(function* () {
      const archive = tar({ name: "a", body: "x".repeat(2000) })
      const members = Buffer.concat([zlib.gzipSync(archive.subarray(0, 700)), zlib.gzipSync(archive.subarray(700))])
      const dir = yield* folder
      assert.strictEqual(yield* unpack(dir, streamOf(members), null), members.length)
      assert.strictEqual(fs.statSync(path.join(dir, "a")).size, 2000)
      const padded = Buffer.concat([zlib.gzipSync(archive), Buffer.alloc(2_000_000)])
      assert.strictEqual(yield* unpack(yield* folder, streamOf(padded), null), padded.length)
      const garbage = Buffer.concat([zlib.gzipSync(archive), Buffer.alloc(2_000_000, "garbage")])
      assert.strictEqual((yield* Effect.flip(unpack(yield* folder, streamOf(garbage), null)))._tag, "BadBasebackup")
    })
  )

  it.live("prefers the server's words, even those after the end of the archive", () =>
    Effect.gen(function* () {
      const whole = zlib.gzipSync(tar({ name: "a", body: "x".repeat(2000) }))
      const said = new ServerSaid({ message: "timeline is shutting down" })
      for (const length of [0, 10, whole.length / 2, whole.length]) {
        const bytes = Stream.concat(streamOf(whole.subarray(0, length)), Stream.fail(said))
        assert.strictEqual(yield* Effect.flip(unpack(yield* folder, bytes, null)), said)
      }
    })
  )

  it.live("stops a stream that has nothing good to bring, and can be interrupted", () =>
    Effect.gen(function* () {
      const endless = Stream.concat(Stream.make(Buffer.from("not gzip")), Stream.never)
      assert.include((yield* Effect.flip(unpack(yield* folder, endless, null))).message, "incorrect header check")
      const whole = zlib.gzipSync(tar({ name: "a", body: "x".repeat(2000) }))
      const waiting = Stream.concat(streamOf(whole.subarray(0, 60)), Stream.never)
      const fiber = yield* Effect.forkChild(unpack(yield* folder, waiting, null))
      yield* Effect.sleep(50)
      yield* Fiber.interrupt(fiber)
    })
  )

  it.live.skipIf(process.getuid?.() !== 0)("gives everything to the account that Postgres runs as", () =>
    Effect.gen(function* () {
      const dir = yield* folder
      const archive = zlib.gzipSync(tar({ name: "pg_wal/archive_status", type: "5" }))
      yield* unpack(dir, streamOf(archive), { uid: 12345, gid: 23456 })
      for (const name of ["global", "global/pg_control", "pg_wal", "pg_wal/archive_status", "neon.signal"]) {
        const { uid, gid } = fs.statSync(path.join(dir, name))
        assert.deepStrictEqual([name, uid, gid], [name, 12345, 23456])
      }
    })
  )
})

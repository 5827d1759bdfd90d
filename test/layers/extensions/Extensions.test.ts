import { execFileSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import {
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync
} from "node:fs"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import { arch } from "node:os"
import { join } from "node:path"
import { zstdCompressSync } from "node:zlib"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { Waits } from "../../../src/layers/compute/Waits.ts"
import type { DownloadPolicy } from "../../../src/layers/extensions/DownloadPolicy.ts"
import { Extensions } from "../../../src/layers/extensions/Extensions.ts"
import { Children } from "../../../src/layers/machine/child/Children.ts"
import { basics, counter, options, running, spec } from "../../programs/fakes.ts"
import { archive, tar } from "../../rig/archive.ts"
import { directory, eventually, logged, script } from "../companionRig.ts"

type Answer = (response: ServerResponse, request: IncomingMessage) => void

/** A store whose answers come in order, the last one for ever; `asked` has the paths. */
const store = (...answers: ReadonlyArray<Answer>) =>
  Effect.gen(function* () {
    const asked: Array<string> = []
    const server = createServer((request, response) => {
      asked.push(request.url ?? "")
      answers[Math.min(asked.length, answers.length) - 1]?.(response, request)
    })
    yield* Effect.acquireRelease(
      Effect.callback<void>((resume) => void server.listen(0, "127.0.0.1", () => resume(Effect.void))),
      () =>
        Effect.callback<void>((resume) => {
          server.closeAllConnections()
          server.close(() => resume(Effect.void))
        })
    )
    const address = server.address()
    return { asked, url: `http://127.0.0.1:${typeof address === "object" ? address?.port : 0}/gw` }
  })

const sends =
  (bytes: Buffer): Answer =>
  (response) =>
    void response.end(bytes)
const refuses =
  (status: number): Answer =>
  (response) =>
    void response.writeHead(status).end()

/** A Postgres as far as `pg_config` goes. */
const installation = Effect.gen(function* () {
  const prefix = yield* directory
  for (const name of ["bin", "share", "share/extension", "lib"]) mkdirSync(join(prefix, name))
  script(
    join(prefix, "bin", "pg_config"),
    `echo "$1" >> ${prefix}/questions
case "$1" in --version) echo 'PostgreSQL 16.4 (Debian)';; --sharedir) echo ${prefix}/share;; --pkglibdir) echo ${prefix}/lib;; esac`
  )
  return { prefix, pgbin: join(prefix, "bin", "postgres") }
})

const remote = (name = "e") => ({
  public_extensions: [name],
  custom_extensions: null,
  library_index: { [`${name}_lib`]: name, [`${name}_more`]: name, gone: "gone" },
  extension_data: {
    [name]: { control_data: { [`${name}.control`]: "comment = 'remote'\n" }, archive_path: "ignored" },
    other: { control_data: { "other.control": "never permitted" }, archive_path: "ignored" }
  }
})

const quick: DownloadPolicy = {
  compressed: 1_000_000,
  unpacked: 1_900_000,
  entries: 100,
  stall: 1_500,
  deadline: 60_000,
  retries: 1_200
}

const at = (pgbin: string, remoteExtBaseUrl: string | null, policy: Partial<DownloadPolicy> = {}) =>
  Extensions.layerWith({ ...quick, ...policy }).pipe(
    Layer.provide(Layer.merge(Children.layer, options({ pgbin, remoteExtBaseUrl, buildTag: "latest" }))),
    Layer.provideMerge(basics)
  )

const fetched = (name = "e", isLibrary = false) =>
  Effect.flatMap(Extensions, (extensions) => extensions.fetch(name, isLibrary))
const parsed = (more: Record<string, unknown> = {}) => spec({ remote_extensions: remote(), ...more })
const served = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.andThen(running(parsed()), effect)
const requests = counter("compute_ctl_remote_ext_requests_total")

const good = archive([
  { name: "share/", type: "5" },
  { name: "share/extension/", type: "5", mode: 0o555 },
  { name: "share/extension/e.control", text: "default_version = '1.0'\n" },
  { name: "./share/extension/e--1.0.sql", text: "select 1;\n" },
  { name: "share/extension/sub/data.txt", text: "deep", mode: 0o6777 },
  { name: "lib/e.so.1", text: Buffer.alloc(70_000, 7), mode: 0o755 },
  { name: "lib/e.so", type: "2", link: "e.so.1" },
  { name: "README", text: "belongs nowhere" }
])

const leftovers = (prefix: string) => readdirSync(join(prefix, "download_extensions"))

describe("Extensions.fetch", () => {
  it.live("puts an archive's files where Postgres looks, once", () =>
    Effect.gen(function* () {
      const { prefix, pgbin } = yield* installation
      const { asked, url } = yield* store(sends(good))
      yield* Effect.gen(function* () {
        yield* fetched()
        yield* fetched("e_lib.so.3", true)
        const go = arch() === "x64" ? "amd64" : arch()
        assert.deepStrictEqual(asked, [`/gw/latest/${go}/v16/extensions/e.tar.zst`])
        assert.strictEqual(
          yield* requests,
          'compute_ctl_remote_ext_requests_total{filename="e.tar.zst",http_status="200 OK"} 1'
        )
      }).pipe(served, Effect.provide(at(pgbin, `${url}///`)))
      assert.deepStrictEqual(readdirSync(join(prefix, "share/extension")).sort(), ["e--1.0.sql", "e.control", "sub"])
      assert.strictEqual(readFileSync(join(prefix, "lib/e.so")).length, 70_000)
      assert.strictEqual(readlinkSync(join(prefix, "lib/e.so")), "e.so.1")
      assert.strictEqual(lstatSync(join(prefix, "share/extension/sub/data.txt")).mode & 0o7777, 0o755)
      assert.deepStrictEqual(readdirSync(prefix).sort(), ["bin", "download_extensions", "lib", "questions", "share"])
      assert.deepStrictEqual(leftovers(prefix), [])
      assert.strictEqual(readFileSync(join(prefix, "questions"), "utf8").trim().split("\n").length, 3)
    })
  )

  it.live("gives one download's result to everybody who waits, and a failure is not the last word", () =>
    Effect.gen(function* () {
      const { pgbin } = yield* installation
      const held: Array<ServerResponse> = []
      const { asked, url } = yield* store((response) => void held.push(response), sends(good))
      yield* Effect.gen(function* () {
        const waiting = yield* Effect.forkChild(
          Effect.all(
            Array.from({ length: 20 }, () => Effect.result(fetched())),
            { concurrency: "unbounded" }
          )
        )
        yield* eventually(() => held.length === 1)
        yield* Effect.sleep("100 millis")
        held[0]?.writeHead(404).end()
        const results = yield* Fiber.join(waiting)
        for (const result of results) {
          assert.strictEqual(
            Result.getOrThrow(Result.flip(result)).message,
            'error downloading extension "e": unexpected remote extensions server response status code: 404 Not Found'
          )
        }
        assert.strictEqual(asked.length, 1)
        yield* fetched()
        assert.strictEqual(asked.length, 2)
      }).pipe(served, Effect.provide(at(pgbin, url)))
    })
  )

  it.live("goes on with a download whose caller left", () =>
    Effect.gen(function* () {
      const { prefix, pgbin } = yield* installation
      const held: Array<ServerResponse> = []
      const { asked, url } = yield* store((response) => void held.push(response))
      yield* Effect.gen(function* () {
        const first = yield* Effect.forkChild(fetched())
        yield* eventually(() => held.length === 1)
        yield* Fiber.interrupt(first)
        held[0]?.end(good)
        yield* fetched()
        assert.strictEqual(asked.length, 1)
      }).pipe(served, Effect.provide(at(pgbin, url)))
      assert.include(readdirSync(join(prefix, "lib")), "e.so")
    })
  )

  it.live("tries again after 503, a connection that breaks and an answer that breaks off or stalls", () =>
    Effect.gen(function* () {
      const { prefix, pgbin } = yield* installation
      const half = good.subarray(0, good.length / 2)
      const cut: Answer = (response) => {
        response.writeHead(200, { "content-length": good.length })
        response.write(half, () => response.destroy())
      }
      const stalled: Answer = (response) => {
        response.writeHead(200, { "content-length": good.length })
        response.write(half)
      }
      const { asked, url } = yield* store(
        refuses(503),
        (response) => void response.destroy(),
        cut,
        stalled,
        sends(good)
      )
      yield* Effect.gen(function* () {
        yield* fetched()
        assert.strictEqual(asked.length, 5)
        const counted = (status: string) =>
          counter(`compute_ctl_remote_ext_requests_total{filename="e.tar.zst",http_status="${status}"}`)
        assert.match(yield* counted("unknown"), / 1$/)
        // A body that is cut off or stalls is one of an answer all the same.
        assert.match(yield* counted("200 OK"), / 3$/)
      }).pipe(served, Effect.provide(at(pgbin, url, { retries: 60_000, deadline: 120_000 })))
      assert.include(readdirSync(join(prefix, "share/extension")), "e.control")
      assert.deepStrictEqual(leftovers(prefix), [])
    })
  )

  it.live("gives up in bounded time with the text clients know", () =>
    Effect.gen(function* () {
      const { pgbin } = yield* installation
      const { asked, url } = yield* store(refuses(503))
      const silent = yield* store(() => {})
      const [took, error] = yield* fetched().pipe(served, Effect.flip, Effect.timed, Effect.provide(at(pgbin, url)))
      assert.include(error.message, "remote extensions server is temporarily unavailable")
      assert.isAbove(asked.length, 1)
      assert.isBelow(Duration.toMillis(took), 15_000)
      const late = yield* fetched().pipe(
        served,
        Effect.flip,
        Effect.provide(at(pgbin, silent.url, { stall: 60_000, deadline: 500 }))
      )
      assert.include(late.message, "not done within 0.5 s")
    })
  )

  it.live("says whom it asks and why it asks again", () =>
    Effect.gen(function* () {
      const { pgbin } = yield* installation
      const { asked, url } = yield* store(refuses(503))
      yield* Effect.gen(function* () {
        yield* running(parsed())
        const waits = yield* Waits
        const fiber = yield* Effect.forkChild(fetched())
        yield* eventually(() => asked.length >= 2)
        const [wait] = yield* waits.current
        assert.strictEqual(wait?.name, "extension to be downloaded")
        const { host } = new URL(url)
        const told = `e from ${host}, attempt \\d+, last error: remote extensions server is temporarily unavailable`
        assert.match(wait?.detail ?? "", new RegExp(`^${told}$`))
        yield* Fiber.interrupt(fiber)
      }).pipe(Effect.provide(at(pgbin, url, { retries: 60_000 })))
    })
  )

  it.live("goes on with a slow archive when a request has given up, and a start waits for it", () =>
    Effect.gen(function* () {
      const { pgbin, prefix } = yield* installation
      const half = good.length / 2
      let rest = () => {}
      const { url } = yield* store((response) => {
        response.writeHead(200, { "content-length": good.length })
        response.write(good.subarray(0, half))
        rest = () => response.end(good.subarray(half))
      })
      yield* Effect.gen(function* () {
        const late = yield* Effect.flip(fetched())
        assert.include(late.message, "goes on")
        const cluster = {
          roles: [],
          databases: [],
          settings: [{ name: "shared_preload_libraries", value: "e_lib", vartype: "string" }]
        }
        const extensions = yield* Extensions
        const preparing = yield* Effect.forkChild(extensions.prepare(parsed({ cluster })))
        yield* Effect.sleep(100)
        rest()
        yield* Fiber.join(preparing)
        assert.include(readdirSync(join(prefix, "lib")), "e.so")
      }).pipe(served, Effect.provide(at(pgbin, url, { stall: 60_000, deadline: 50 })))
    })
  )

  it.live("refuses what is not configured, not known or not permitted, without asking the store", () =>
    Effect.gen(function* () {
      const { pgbin } = yield* installation
      const { asked, url } = yield* store(sends(good))
      const refusal = (effect: ReturnType<typeof fetched>) => Effect.map(Effect.flip(effect), ({ message }) => message)
      const empty = yield* refusal(fetched()).pipe(Effect.provide(at(pgbin, url)))
      assert.strictEqual(empty, "information about remote extensions is unavailable")
      const without = Effect.andThen(running(spec()), refusal(fetched()))
      assert.strictEqual(yield* Effect.provide(without, at(pgbin, url)), empty)
      const unconfigured = yield* refusal(fetched()).pipe(served, Effect.provide(at(pgbin, null)))
      assert.strictEqual(unconfigured, "remote storage is not configured")
      const texts = yield* Effect.all([refusal(fetched("zzz-1.so.3", true)), refusal(fetched("other"))]).pipe(
        served,
        Effect.provide(at(pgbin, url))
      )
      assert.deepStrictEqual(texts, ["library zzz-1 is not found", "extension other is not found"])
      assert.deepStrictEqual(asked, [])
    })
  )
})

describe("hostile archives", () => {
  const bomb = zstdCompressSync(Buffer.concat([tar([{ name: "lib/big", size: 2_000_000 }]), Buffer.alloc(2_000_000)]))
  for (const [what, bytes, complaint] of [
    ["climbs out", archive([{ name: "share/extension/../../evil", text: "x" }]), "outside of its directory"],
    ["starts at the root", archive([{ name: "/lib/evil", text: "x" }]), "outside of its directory"],
    ["links out", archive([{ name: "lib/a", type: "2", link: "../bin" }]), "link out of its directory"],
    ["links to a root", archive([{ name: "lib/a", type: "2", link: "/etc" }]), "link out of its directory"],
    [
      "writes through its own link",
      archive([
        { name: "lib/a", type: "2", link: "b" },
        { name: "lib/a/evil", text: "x" }
      ]),
      "an entry behind a link: lib/a/evil"
    ],
    [
      "links out by way of a link",
      archive([
        { name: "lib/here", type: "2", link: "." },
        { name: "lib/a", type: "2", link: "here/../../bin" }
      ]),
      "link out of its directory: lib/a"
    ],
    [
      "links hard to what it does not have",
      archive([{ name: "lib/a", type: "1", link: "/etc/passwd" }]),
      "a hard link"
    ],
    [
      "links hard to its folder",
      archive([
        { name: "lib/a/b", text: "" },
        { name: "lib/c", type: "1", link: "lib/a" }
      ]),
      "a hard link"
    ],
    ["links hard out", archive([{ name: "lib/a", type: "1", link: "../../etc/passwd" }]), "link out of its directory"],
    [
      "has a link with a body",
      archive([{ name: "lib/a", type: "2", link: "b", size: 3 * 1024 ** 3 }]),
      "a link with a body"
    ],
    [
      "puts a link in place of its folder",
      archive([
        { name: "lib/a/b", text: "" },
        { name: "lib/a", type: "2", link: "c" }
      ]),
      "in place of a folder"
    ],
    ["has a device", archive([{ name: "lib/a", type: "3" }]), "a device"],
    ["unpacks to too much", bomb, "unpacks to more than"],
    [
      "has too many entries",
      archive(Array.from({ length: 101 }, (_, n) => ({ name: `lib/${n}`, text: "" }))),
      "more than 100 entries"
    ],
    [
      "is too large as sent",
      archive([
        { name: "README", text: randomBytes(990_000) },
        { name: "lib/a", text: randomBytes(11_000) }
      ]),
      "more than 1000000 bytes"
    ],
    ["has something else behind it", Buffer.concat([good, Buffer.alloc(900_000)]), "followed by something else"],
    [
      "is cut off inside",
      zstdCompressSync(tar([{ name: "lib/a", text: "0".repeat(2000) }]).subarray(0, 1500)),
      "cut off"
    ],
    ["is no tar", zstdCompressSync(Buffer.alloc(2048, 65)), "damaged"],
    ["is no zstd", Buffer.from("<html>not found</html>"), ""],
    ["is empty", Buffer.alloc(0), ""]
  ] as const) {
    it.live(`one that ${what} is refused at once and leaves nothing`, () =>
      Effect.gen(function* () {
        const { prefix, pgbin } = yield* installation
        const { asked, url } = yield* store(sends(bytes))
        const error = yield* fetched().pipe(served, Effect.flip, Effect.provide(at(pgbin, url, { stall: 5_000 })))
        assert.include(error.message, complaint)
        assert.strictEqual(asked.length, 1)
        assert.deepStrictEqual(readdirSync(join(prefix, "lib")), [])
        assert.deepStrictEqual(readdirSync(join(prefix, "share/extension")), [])
        assert.deepStrictEqual(leftovers(prefix), [])
        assert.deepStrictEqual(readdirSync(prefix).sort(), ["bin", "download_extensions", "lib", "questions", "share"])
      })
    )
  }

  it.live("nothing is put behind a link that stands in the target", () =>
    Effect.gen(function* () {
      const { prefix, pgbin } = yield* installation
      const elsewhere = yield* directory
      symlinkSync(elsewhere, join(prefix, "lib/sub"))
      const { url } = yield* store(sends(archive([{ name: "lib/sub/evil.so", text: "x" }])))
      yield* fetched().pipe(served, Effect.flip, Effect.provide(at(pgbin, url)))
      assert.deepStrictEqual(readdirSync(elsewhere), [])
    })
  )
})

describe("an archive that GNU tar and zstd made", () => {
  it.live("unpacks to the same files", () =>
    Effect.gen(function* () {
      const { prefix, pgbin } = yield* installation
      const source = yield* directory
      const long = `${"long-".repeat(30)}name.sql`
      mkdirSync(join(source, "share/extension"), { recursive: true })
      writeFileSync(join(source, "share/extension", long), "select 1;")
      const bytes = execFileSync("tar", ["-cf", "-", "share"], { cwd: source })
      const { url } = yield* store(sends(zstdCompressSync(bytes)))
      yield* fetched().pipe(served, Effect.provide(at(pgbin, url)))
      assert.strictEqual(readFileSync(join(prefix, "share/extension", long), "utf8"), "select 1;")
    })
  )
})

describe("links that stay inside the archive", () => {
  for (const format of ["gnu", "pax", "ustar"]) {
    it.live(`work once installed, as GNU tar writes them in format ${format}`, () =>
      Effect.gen(function* () {
        const { prefix, pgbin } = yield* installation
        const source = yield* directory
        const long = format === "ustar" ? `${"long".repeat(20)}.so` : `${"long".repeat(40)}.so`
        mkdirSync(join(source, "lib/sub/deep"), { recursive: true })
        mkdirSync(join(source, "share/extension/data"), { recursive: true })
        writeFileSync(join(source, "lib", long), "library")
        linkSync(join(source, "lib", long), join(source, "lib/hard.so"))
        linkSync(join(source, "lib", long), join(source, "lib/sub/hard.so"))
        symlinkSync(long, join(source, "lib/short.so"))
        symlinkSync("sub", join(source, "lib/folder"))
        symlinkSync(`../../${long}`, join(source, "lib/sub/deep/up.so"))
        symlinkSync("sub/deep/up.so", join(source, "lib/through.so"))
        symlinkSync(".", join(source, "lib/sub/self"))
        symlinkSync("not-in-this-archive.so", join(source, "lib/dangling.so"))
        symlinkSync("../../../lib/short.so", join(source, "share/extension/data/across.so"))
        const bytes = execFileSync("tar", [`--format=${format}`, "-cf", "-", "lib", "share"], { cwd: source })
        const { url } = yield* store(sends(zstdCompressSync(bytes)))
        yield* fetched().pipe(served, Effect.provide(at(pgbin, url)))
        const installed = [
          "hard.so",
          "sub/hard.so",
          "short.so",
          "folder/hard.so",
          "sub/deep/up.so",
          "through.so",
          "sub/self/hard.so"
        ]
        for (const name of [long, ...installed]) {
          assert.strictEqual(readFileSync(join(prefix, "lib", name), "utf8"), "library", name)
        }
        assert.strictEqual(readFileSync(join(prefix, "share/extension/data/across.so"), "utf8"), "library")
        assert.strictEqual(readlinkSync(join(prefix, "lib/sub/deep/up.so")), `../../${long}`)
        assert.strictEqual(readlinkSync(join(prefix, "lib/dangling.so")), "not-in-this-archive.so")
        assert.deepStrictEqual(leftovers(prefix), [])
      })
    )
  }

  it.live("do not survive what comes later under their name", () =>
    Effect.gen(function* () {
      const { prefix, pgbin } = yield* installation
      const { url } = yield* store(
        sends(
          archive([
            { name: "lib/a", text: "first" },
            { name: "lib/b", type: "1", link: "lib/a" },
            { name: "lib/a", text: "second" },
            { name: "lib/c", type: "2", link: "a" },
            { name: "lib/c", text: "a file after all" },
            { name: "lib/d", text: "a file" },
            { name: "lib/d", type: "2", link: "a" },
            { name: "lib/e", type: "2", link: "a" },
            { name: "lib/f", type: "1", link: "lib/e" }
          ])
        )
      )
      yield* fetched().pipe(served, Effect.provide(at(pgbin, url)))
      const read = (name: string) => readFileSync(join(prefix, "lib", name), "utf8")
      assert.deepStrictEqual(["a", "b", "c", "d", "e", "f"].map(read), [
        ...["second", "first", "a file after all", "second", "second", "second"]
      ])
    })
  )
})

describe("Extensions.prepare", () => {
  const prepare = (members: Record<string, unknown>) =>
    Effect.flatMap(Extensions, (extensions) => extensions.prepare(parsed(members)))
  const preloads = (value: string) => ({
    cluster: {
      roles: [],
      databases: [],
      settings: [{ name: "shared_preload_libraries", value, vartype: "string" }]
    }
  })

  it.live("writes missing control files of what is permitted, and downloads an archive of two libraries once", () =>
    Effect.gen(function* () {
      const { prefix, pgbin } = yield* installation
      const { asked, url } = yield* store(sends(archive([{ name: "lib/e.so", text: "x" }])))
      const loaded = yield* prepare(preloads("neon,e_lib,e_more,pg_stat_statements")).pipe(
        Effect.provide(at(pgbin, url))
      )
      const { loadExtMs, ...sizes } = loaded
      const size = archive([{ name: "lib/e.so", text: "x" }]).length
      assert.deepStrictEqual(sizes, { numDownloaded: 2, largest: size, total: size })
      assert.isAtLeast(loadExtMs, 0)
      assert.strictEqual(asked.length, 1)
      assert.deepStrictEqual(readdirSync(join(prefix, "share/extension")), ["e.control"])
      assert.strictEqual(readFileSync(join(prefix, "share/extension/e.control"), "utf8"), "comment = 'remote'\n")
    })
  )

  it.live("lets the image's control file win", () =>
    Effect.gen(function* () {
      const { prefix, pgbin } = yield* installation
      const lines: Array<string> = []
      writeFileSync(join(prefix, "share/extension/e.control"), "ours")
      yield* prepare({}).pipe(Effect.provide(Layer.merge(at(pgbin, null), logged(lines))))
      assert.strictEqual(readFileSync(join(prefix, "share/extension/e.control"), "utf8"), "ours")
      assert.match(lines.join("\n"), /e\.control exists, the remote one is ignored/)
    })
  )

  it.live("logs a download that fails, and counts it as nothing", () =>
    Effect.gen(function* () {
      const { pgbin } = yield* installation
      const { url } = yield* store(refuses(404))
      const lines: Array<string> = []
      const loaded = yield* prepare(preloads("e_lib,e_more")).pipe(
        Effect.provide(Layer.merge(at(pgbin, url), logged(lines)))
      )
      assert.deepStrictEqual({ ...loaded, loadExtMs: 0 }, { loadExtMs: 0, numDownloaded: 0, largest: 0, total: 0 })
      assert.match(lines.join("\n"), /Failed to download extension: error downloading extension "e": /)
    })
  )

  it.live("fails for a library that may not be had, and for a control file of a senseless name", () =>
    Effect.gen(function* () {
      const { pgbin } = yield* installation
      const { url } = yield* store(refuses(404))
      const error = yield* Effect.flip(prepare(preloads("gone"))).pipe(Effect.provide(at(pgbin, url)))
      assert.strictEqual(error.message, "extension gone is not found")
      const data = { e: { control_data: { "../../evil": "x" }, archive_path: "" } }
      const evil = { remote_extensions: { ...remote(), extension_data: data } }
      const refused = yield* Effect.flip(prepare(evil)).pipe(Effect.provide(at(pgbin, url)))
      assert.include(refused.message, "is not the name of a control file")
    })
  )

  it.live("asks pg_config again after it failed, and names it", () =>
    Effect.gen(function* () {
      const { prefix, pgbin } = yield* installation
      const program = join(prefix, "bin", "pg_config")
      const text = readFileSync(program, "utf8")
      script(program, "exit 4")
      yield* Effect.gen(function* () {
        const error = yield* Effect.flip(prepare({}))
        assert.include(error.message, `${program} --`)
        writeFileSync(program, text)
        yield* prepare({})
      }).pipe(Effect.provide(at(pgbin, null)))
    })
  )
})

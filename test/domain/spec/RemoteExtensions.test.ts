import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { ComputeSpec, RemoteExtensions } from "../../../src/domain/spec/ComputeSpec.ts"
import { archiveUrl, goArchitecture } from "../../../src/domain/spec/ExtensionPath.ts"
import { controlFiles, isPlainName, preloadLibraries, resolve } from "../../../src/domain/spec/RemoteExtensions.ts"

const remote = Schema.decodeUnknownSync(RemoteExtensions)({
  public_extensions: ["postgis", "anon"],
  custom_extensions: ["private", "ghost"],
  library_index: { "postgis-3": "postgis", anon: "anon", lost: "kept_back" },
  extension_data: {
    postgis: { control_data: { "postgis.control": "comment = 'geo'\n" }, archive_path: "ignored" },
    anon: { control_data: { "anon.control": "a" }, archive_path: "x" },
    private: { control_data: { "private.control": "p", "private--1.control": "q" }, archive_path: "x" },
    kept_back: { control_data: { "kept_back.control": "k" }, archive_path: "x" }
  }
})

const answer = (name: string, isLibrary: boolean) =>
  Result.match(resolve(remote, name, isLibrary), {
    onFailure: ({ message }) => message,
    onSuccess: (found) => `= ${found}`
  })

const spec = (cluster: Record<string, unknown>) =>
  Schema.decodeUnknownSync(ComputeSpec)({
    format_version: 1,
    suspend_timeout_seconds: 0,
    cluster: { roles: [], databases: [], ...cluster },
    remote_extensions: Schema.encodeSync(RemoteExtensions)(remote)
  })

describe("resolve", () => {
  for (const [name, isLibrary, expected] of [
    ["postgis", false, "= postgis"],
    ["private", false, "= private"],
    ["postgis-3.so", true, "= postgis"],
    ["postgis-3.so.3", true, "= postgis"],
    ["postgis-3", true, "= postgis"],
    ["zzz-1.so.3", true, "library zzz-1 is not found"],
    ["constructor", true, "library constructor is not found"],
    ["lost.so", true, "extension kept_back is not found"],
    ["kept_back", false, "extension kept_back is not found"],
    ["postgis-3.so", false, "extension postgis-3.so is not found"],
    ["ghost", false, "real_ext_name ghost is not found"]
  ] as const) {
    it(`${name}${isLibrary ? " as a library" : ""}: ${expected}`, () =>
      assert.strictEqual(answer(name, isLibrary), expected))
  }

  it("takes absent lists as empty", () => {
    const unlisted = { ...remote, public_extensions: null, custom_extensions: null }
    const found = resolve(unlisted, "postgis-3.so", true)
    assert.strictEqual(Result.getOrThrow(Result.flip(found)).message, "extension postgis is not found")
    assert.deepStrictEqual(controlFiles(unlisted), [])
  })
})

describe("preloadLibraries", () => {
  const preload = (value: string) => ({ settings: [{ name: "shared_preload_libraries", value, vartype: "string" }] })
  const from = (cluster: Record<string, unknown>) => preloadLibraries(spec(cluster))

  it("joins the setting and the last quoted line of the configuration text, each library once", () => {
    const postgresql_conf = [
      "shared_preload_libraries='lost'",
      "#shared_preload_libraries='lost'",
      "shared_preload_libraries='anon, postgis-3,neon'",
      "shared_preload_libraries = lost"
    ].join("\n")
    assert.deepStrictEqual(from({ ...preload("neon,anon"), postgresql_conf }), ["anon", "postgis-3"])
  })

  it("leaves out what is built in, empty or not in the index", () => {
    assert.deepStrictEqual(from(preload("neon, databricks_auth,,pg_stat_statements,toString")), [])
    assert.deepStrictEqual(from({}), [])
  })
})

describe("controlFiles", () => {
  it("has those of permitted extensions", () => {
    assert.deepStrictEqual(
      controlFiles(remote).map(({ name }) => name),
      ["postgis.control", "anon.control", "private.control", "private--1.control"]
    )
  })

  it("knows which names would leave the directory", () => {
    assert.deepStrictEqual(["a.control", "..", ".", "", "../x", "a/b", "/etc/passwd", "a\0b"].filter(isPlainName), [
      "a.control"
    ])
  })
})

describe("archiveUrl", () => {
  const store = { baseUrl: "http://h/gw", buildTag: "latest", architecture: goArchitecture("x64"), major: 17 }
  for (const baseUrl of ["http://h/gw", "http://h/gw/", "http://h/gw///"]) {
    it(`of ${baseUrl}`, () =>
      assert.strictEqual(
        archiveUrl({ ...store, baseUrl }, "ext"),
        "http://h/gw/latest/amd64/v17/extensions/ext.tar.zst"
      ))
  }

  it("keeps a name one segment", () => {
    assert.strictEqual(
      archiveUrl({ ...store, architecture: goArchitecture("arm64") }, "../a?b+c"),
      "http://h/gw/latest/arm64/v17/extensions/..%2Fa%3Fb+c.tar.zst"
    )
  })
})

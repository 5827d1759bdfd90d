import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { helpText, parseArguments } from "../../../src/cli/fastImport/arguments.ts"

const common = ["--working-directory=/w", "--pg-bin-dir", "/b", "--pg-lib-dir=/l"]
const parse = (argv: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) => parseArguments(argv, env, 6)

const settings = (argv: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}) => {
  const wanted = Result.getOrThrow(parse(argv, env))
  if (wanted._tag !== "Run") throw new Error("it asks for help")
  return wanted.settings
}

const help = (...argv: ReadonlyArray<string>) => {
  const wanted = Result.getOrThrow(parse(argv))
  return wanted._tag === "Help" ? wanted.command : "none"
}

describe("the command line of fast_import", () => {
  it("has options of all commands before the command, and its own behind it", () => {
    const {
      command,
      env: _,
      ...others
    } = settings([
      ...[...common, "--s3-prefix", "s3://b/k", "--jobs=3", "pgdata"],
      ...["--source-connection-string", "host=h", "-i", "--pg-port=1", "--num-cpus", "2", "--memory-mb=+1000"]
    ])
    assert.deepStrictEqual(others, {
      ...{ workdir: "/w", prefix: { bucket: "b", key: "k" }, binDir: "/b", libDir: "/l", jobs: 3 },
      ...{ atOnce: false, resume: false, statusDetail: false, timeout: null }
    })
    assert.deepStrictEqual(command, {
      ...{ name: "pgdata", source: Redacted.make("host=h"), interactive: true, port: 1, cpus: 2, memoryMb: 1000 }
    })
  })

  it("takes what it is not told from the environment and the machine", () => {
    const env = {
      NEON_IMPORTER_WORKDIR: "/w",
      NEON_IMPORTER_PG_BIN_DIR: "",
      NEON_IMPORTER_PG_LIB_DIR: "/l",
      NEON_IMPORTER_S3_PREFIX: "s3://b/",
      NEON_IMPORTER_MEMORY_MB: "7"
    }
    const { binDir, command, jobs, prefix } = settings(["--s3-prefix=s3://c/", "pgdata"], env)
    assert.deepStrictEqual([binDir, jobs, prefix?.bucket], ["", 6, "c"])
    assert.deepInclude(command, { source: null, interactive: false, port: 5432, cpus: 6, memoryMb: 7 })
    assert.isTrue(Result.isFailure(parse([...common, "pgdata"], { NEON_IMPORTER_S3_PREFIX: "" })))
    assert.isTrue(Result.isFailure(parse([...common, "pgdata"], { NEON_IMPORTER_NUM_CPUS: "" })))
    assert.isTrue(Result.isSuccess(parse([...common, "dump-restore"], { NEON_IMPORTER_NUM_CPUS: "" })))
  })

  it("is refused where the original refuses it", () => {
    const refused: ReadonlyArray<ReadonlyArray<string>> = [
      [],
      common,
      [...common, "other"],
      ["pgdata", ...common],
      [...common, "pgdata", "--working-directory=/w"],
      [...common.slice(1), "pgdata"],
      [...common, "--pg-lib-dir=/l", "pgdata"],
      [...common, "pgdata", "--pg-port=65536"],
      [...common, "pgdata", "--pg-po=1"],
      [...common, "pgdata", "--interactive=yes"],
      [...common, "pgdata", "--source-connection-string", "-x"],
      [...common, "pgdata", "--destination-connection-string=x"],
      [...common, "pgdata", "more"],
      [...common, "--version"],
      [...common, "--s3-prefix=http://b/k", "pgdata"],
      [...common, "--jobs=0", "pgdata"],
      [...common, "--jobs=1", "--at-once", "pgdata"],
      ["help", "other"]
    ]
    for (const argv of refused) assert.isTrue(Result.isFailure(parse(argv)), argv.join(" "))
  })

  it("helps with all or with one command, also before what is wrong", () => {
    assert.isNull(help("--help"))
    assert.isNull(help(...common, "-h", "--wrong"))
    assert.isNull(help("help"))
    assert.strictEqual(help("help", "pgdata"), "pgdata")
    assert.strictEqual(help("dump-restore", "--help"), "dump-restore")
    assert.include(helpText("fast_import", null), "Usage: fast_import [OPTIONS] <COMMAND>")
    assert.include(helpText("fast_import", "pgdata"), "--memory-mb")
  })
})

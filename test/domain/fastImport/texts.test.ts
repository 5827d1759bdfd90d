/**
 * The rules of an import: what is read, what is said, how programs are called.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import {
  childVariables,
  dump,
  dumpArchive,
  initdb,
  postgres,
  restore,
  restoreArchive
} from "../../../src/domain/fastImport/commandLines.ts"
import { separate } from "../../../src/domain/fastImport/connectionString.ts"
import { parse as parseSpec } from "../../../src/domain/fastImport/ImportSpec.ts"
import { ended } from "../../../src/domain/fastImport/JobStatus.ts"
import { logLine } from "../../../src/domain/fastImport/logLine.ts"
import { isTableFinished, sentence, tableOf } from "../../../src/domain/fastImport/Progress.ts"
import { processTitle } from "../../../src/domain/fastImport/processTitle.ts"
import { below, format, parse as parsePrefix } from "../../../src/domain/fastImport/S3Prefix.ts"
import { read } from "../../../src/domain/fastImport/tableOfContents.ts"
import { parseFilter } from "../../../src/domain/observe/LogFilter.ts"
import { whyNotClean } from "../../../src/domain/postgres/ClusterControl.ts"
import { traitsOf } from "../../../src/domain/postgres/Majors.ts"

const settings = (args: ReadonlyArray<string>) => args.filter((_, index) => args[index - 1] === "-c")

describe("a prefix", () => {
  it("has a bucket and a key, which may be empty and is joined in a plain way", () => {
    const prefix = Result.getOrThrow(parsePrefix("s3://bkt/a/b/"))
    assert.strictEqual(format(below(prefix, "spec.json")), "s3://bkt/a/b//spec.json")
    assert.deepStrictEqual(Result.getOrThrow(parsePrefix("s3://b/")), { bucket: "b", key: "" })
    assert.strictEqual(Result.getOrThrow(Result.flip(parsePrefix("http://b/k"))), "Invalid S3 URI scheme")
    for (const text of ["s3://b", "s3:///k", "s3://"]) {
      const why = Result.getOrThrow(Result.flip(parsePrefix(text)))
      assert.strictEqual(why, "Invalid S3 URI format, missing bucket or key")
    }
  })
})

describe("spec.json", () => {
  const spec = (source: string, more = "", secret = '{"KMS":{"key_id":"k","other":1}}') =>
    parseSpec(
      `{"encryption_secret":${secret},"source_connstring_ciphertext_base64":"${source}"${more},"project_id":"p"}`
    )
  const isRefused = (result: ReturnType<typeof spec>) => Result.isFailure(result)

  it("is read with base64 padded wholly, in part or not at all", () => {
    for (const text of ["YQ==", "YQ=", "YQ"]) {
      const read = Result.getOrThrow(spec(text))
      assert.deepStrictEqual([...(read?.source ?? [])], [97])
      assert.strictEqual(read?.keyId, "k")
      assert.isNull(read?.destination)
    }
    assert.isNull(Result.getOrThrow(parseSpec("null")))
  })

  it("is refused where the original refuses it", () => {
    for (const text of ["YQ===", "YWJj=", "YR==", "Y", "Y Q=", "Y-Q="]) assert.isTrue(isRefused(spec(text)), text)
    assert.isTrue(isRefused(spec("YQ==", ',"encryption_secret":{"KMS":{"key_id":"k"}}')))
    assert.isTrue(isRefused(spec("YQ==", ',"destination_connstring_ciphertext_base64":"%"')))
    for (const secret of [
      '{"KMS":{"key_id":"k"},"GCP":{}}',
      '{"KMS":{"key_id":1}}',
      '{"KMS":{}}',
      '{"X":{}}',
      '"KMS"'
    ]) {
      assert.isTrue(isRefused(spec("YQ==", "", secret)), secret)
    }
    assert.isTrue(Result.isFailure(parseSpec("\ufeffnull")))
  })
})

describe("what is said of a job", () => {
  it("is compared whole by its readers", () => {
    assert.strictEqual(ended("pgdata", null, { causes: ["x"] }), '{"command":"pgdata","done":true}')
    assert.strictEqual(ended("dump-restore", "e", null), '{"command":"dump-restore","done":false,"error":"e"}')
  })

  it("is logged as JSON with its span, counts as numbers", () => {
    const record = {
      millis: 0,
      micros: 7,
      level: "INFO",
      message: "spawned \u001b[0m pg_dump",
      fields: [
        ["pid", "12"],
        ["table", "3"]
      ],
      spans: [{ name: "pg_dump", fields: [["a", "b"]] }],
      trace: null
    } as const
    assert.strictEqual(
      logLine(record),
      '{"timestamp":"1970-01-01T00:00:00.000007Z","level":"INFO","fields":{"message":"spawned \\u001b[0m pg_dump","pid":12,"table":"3"},"span":{"name":"pg_dump"},"spans":[{"name":"pg_dump"}]}'
    )
    assert.notInclude(logLine({ ...record, spans: [] }), "span")
  })

  it("is filtered by its own name; a filter for others leaves its errors", () => {
    const level = (text: string | undefined) => parseFilter(text, ["fast_import"], "ERROR")
    assert.strictEqual(level(undefined), "INFO")
    assert.strictEqual(level("aws_config=debug,aws_sdk_kms=debug"), "ERROR")
    assert.strictEqual(level("fast_import=debug"), "DEBUG")
    assert.strictEqual(level("]["), "INFO")
  })

  it("counts tables and bytes", () => {
    assert.strictEqual(tableOf('pg_restore: processing data for table "public.a b"'), "public.a b")
    assert.strictEqual(tableOf('pg_dump: dumping contents of table "public.t"'), "public.t")
    assert.isTrue(isTableFinished("pg_restore: finished item 3333 TABLE DATA t"))
    assert.isFalse(isTableFinished("pg_restore: finished item 3333 INDEX t"))
    const measure = { objects: 10, objects_done: 3, bytes: 2_500_000_000, bytes_done: 999 }
    assert.strictEqual(sentence({ phase: "upload", measure }), "upload: 3 of 10 objects, 999 B of 2.5 GB")
    assert.strictEqual(
      sentence({ phase: "restore", measure: { tables: 4, tables_done: 1, table: "s.t" } }),
      "restore: 1 of 4 tables s.t"
    )
  })
})

describe("how programs are called", () => {
  const size = { port: 1, cpus: 3, memoryMb: 1000 }

  it("the server gets its share of the memory", () => {
    const [shared, work] = [/^shared_buffers/, /^maintenance_work_mem/].map((name) =>
      settings(postgres("/d", size)).find((setting) => name.test(setting))
    )
    assert.deepStrictEqual([shared, work], ["shared_buffers=100MB", "maintenance_work_mem=700MB"])
    const small = settings(postgres("/d", { ...size, memoryMb: 256 }))
    assert.includeMembers(small, ["shared_buffers=25MB", "maintenance_work_mem=179MB", "max_worker_processes=3"])
  })

  it("initdb chooses the order of texts as far as the major version can", () => {
    const provider = (major: number) => {
      const traits = traitsOf(major)
      return traits === null ? null : initdb("/d", traits, "linux").slice(10)
    }
    assert.deepStrictEqual(provider(14), [])
    assert.deepStrictEqual(provider(16), ["--locale-provider", "libc"])
    assert.deepStrictEqual(provider(17), ["--locale-provider", "builtin"])
    assert.isNull(provider(13))
  })

  it("event triggers are left out by the program that can", () => {
    const transfer = { connstr: "host=h", dumpdir: "/w/dumpdir", jobs: 2, leavesEventTriggers: true }
    assert.strictEqual(
      dump(transfer).join(" "),
      "--no-owner --no-privileges --no-publications --no-security-labels --no-subscriptions --no-tablespaces --no-event-triggers --format directory --jobs 2 --verbose -f /w/dumpdir --no-sync host=h"
    )
    assert.deepStrictEqual(restore({ ...transfer, leavesEventTriggers: false }, "/l").slice(-6), [
      ...["--verbose", "-L", "/l", "-d", "host=h", "/w/dumpdir"]
    ])
  })

  it("an archive goes by standard output and input", () => {
    const kinds =
      "--no-owner --no-privileges --no-publications --no-security-labels --no-subscriptions --no-tablespaces"
    assert.strictEqual(
      dumpArchive("host=h", true).join(" "),
      `${kinds} --no-event-triggers --format custom --verbose --compress 0 host=h`
    )
    assert.strictEqual(
      restoreArchive("host=h", false, "/l").join(" "),
      `${kinds} --format custom --verbose -L /l -d host=h`
    )
  })

  it("children see four variables", () => {
    assert.deepStrictEqual(childVariables("/lib", { HOME: "/h", ASAN_OPTIONS: "a" }), {
      LD_LIBRARY_PATH: "/lib",
      DYLD_LIBRARY_PATH: "/lib",
      ASAN_OPTIONS: "a",
      UBSAN_OPTIONS: ""
    })
  })
})

describe("of a connection string", () => {
  const cases: ReadonlyArray<readonly [string, string, string | null, ReadonlyArray<readonly [string, string]>?]> = [
    ["postgresql://u:p%40@h:1,h2/db?sslmode=require", "postgresql://u@h:1,h2/db?sslmode=require", "p@"],
    ["postgres://h/db?password=a&x=1", "postgres://h/db?x=1", "a"],
    ["postgres://u:one@h/db?x=1&pass%77ord=two", "postgres://u@h/db?x=1", "two"],
    ["postgres://u:a?b@h/db", "postgres://u@h/db", "a?b"],
    ["postgres://u:a@b@h?options=c@d", "postgres://u@h?options=c@d", "a@b"],
    ["postgres://u:a:b@[::1]:5/db", "postgres://u@[::1]:5/db", "a:b"],
    ["POSTGRES://u:p@h", "POSTGRES://u@h", "p"],
    ["postgres://u@h/db", "postgres://u@h/db", null],
    ["postgres:///db?host=/run&user=a@b", "postgres:///db?host=/run&user=a@b", null],
    ["postgres://u@h?sslpassword=s%20p", "postgres://u@h", null, [["sslpassword", "s p"]]],
    ["host=h password='it\\'s' dbname = d", "host=h dbname = d", "it's"],
    ["password=it's host=h", "host=h", "it's"],
    ["host='h'password='a b'dbname=d", "host='h' dbname=d", "a b"],
    ["password=a\\ b password=\\'c", "", "'c"],
    ["password= host=h", "", "host=h"],
    ["password='' host=h", "host=h", ""],
    ["sslpassword=x host=h", "host=h", null, [["sslpassword", "x"]]],
    ["db", "db", null]
  ]
  for (const [text, connstr, password, others = []] of cases) {
    it(`${text} everybody may see ${connstr}`, () => {
      assert.deepStrictEqual(separate(text), Result.succeed({ connstr, password, others }))
    })
  }

  it.each([
    "postgres://u:%ff@h/db",
    "postgres://u:sec%zzret@h/db",
    "postgres://u:sec%00ret@h/db",
    "host=h password='secret",
    "host=h password secret",
    "postgress://u:secret@h/db",
    "host=h service=s sslpassword=secret",
    "host=h sslpassword='secret\n'"
  ])("%s nothing is given away, since it cannot be read", (text) => {
    const read = separate(text)
    assert.isTrue(Result.isFailure(read))
    assert.notMatch(String(Result.getOrElse(Result.flip(read), () => "")), /sec|ff/)
  })
})

it("a command line is shown without connection strings", () => {
  const source = "--source-connection-string"
  assert.strictEqual(
    processTitle("p", ["--jobs=1", "dump-restore", `${source}=host=h`, "--destination-connection-string", "host=d"]),
    `p --jobs=1 dump-restore ${source}=*** --destination-connection-string ***`
  )
  assert.isNull(processTitle("p", ["pgdata", source]))
})

it("of a table of contents only event triggers are left out, with what is said of them", () => {
  const lines = [
    "; Archive created",
    "3470; 0 16385 TABLE DATA public t me",
    "213; 1255 16390 FUNCTION public heard() me",
    "3215; 3466 16391 EVENT TRIGGER - audit me",
    "3480; 0 0 COMMENT - EVENT TRIGGER audit me",
    "214; 1259 16392 TABLE public EVENT TRIGGER me"
  ]
  const contents = read(lines.join("\n"))
  assert.strictEqual(contents.withoutEventTriggers, [...lines.slice(0, 3), lines[5]].join("\n"))
  assert.isTrue(contents.hasEventTriggers)
  assert.strictEqual(contents.tables, 1)
  assert.isFalse(read("; none").hasEventTriggers)
})

it("a cluster is complete when it was shut down in order", () => {
  const control = (state: number) => {
    const bytes = new Uint8Array(8192)
    new DataView(bytes.buffer).setUint32(16, state, true)
    return bytes
  }
  assert.isNull(whyNotClean(control(1)))
  assert.strictEqual(whyNotClean(control(6)), "the cluster is in production")
  assert.strictEqual(whyNotClean(control(99)), "the cluster is in state 1660944384")
  assert.strictEqual(whyNotClean(new Uint8Array(3)), "the control file is too short")
})

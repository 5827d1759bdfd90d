import { assert, describe, it } from "@effect/vitest"
import {
  NEWEST,
  older,
  parseServerVersion,
  type ServerVersion,
  sessionOptions,
  synchronousCommit
} from "../../../../src/domain/postgres/session/SessionOptions.ts"
import { specOf } from "../../catalog/parts.ts"

const optionsFor = (version: ServerVersion, role = "cloud_admin") => sessionOptions(role, { version, commit: "on" })

const names = (version: ServerVersion) => Array.from(optionsFor(version).matchAll(/-c ([^=]+)=/g), ([, name]) => name)

const knows = (name: string, major: number, minor: number | null = null) => names({ major, minor }).includes(name)

describe("options of our sessions", () => {
  it("begin with those that have always been there", () => {
    assert.ok(
      optionsFor(NEWEST).startsWith(
        "-c role=cloud_admin -c default_transaction_read_only=off -c search_path= -c statement_timeout=0 -c pgaudit.log=none "
      )
    )
    assert.ok(!optionsFor(NEWEST, "zenith_admin").includes("pgaudit"))
  })

  it("name no setting twice, and none with a space that would split it", () => {
    assert.strictEqual(new Set(names(NEWEST)).size, names(NEWEST).length)
    assert.ok(
      optionsFor(NEWEST)
        .split(/(?<!\\) /)
        .every((part, index) => (index % 2 === 0 ? part === "-c" : /^[\w.]+=/.test(part)))
    )
    // A start-up packet holds 10,000 bytes.
    assert.ok(optionsFor(NEWEST).length < 4000)
  })

  it("are those that the version knows", () => {
    assert.deepStrictEqual([knows("transaction_timeout", 16), knows("transaction_timeout", 17)], [false, true])
    assert.deepStrictEqual([knows("event_triggers", 16), knows("event_triggers", 17)], [false, true])
    assert.ok(knows("idle_session_timeout", 14))
    const restrict = "restrict_nonsystem_relation_kind"
    assert.deepStrictEqual(
      [knows(restrict, 15), knows(restrict, 15, 7), knows(restrict, 15, 8), knows(restrict, 17)],
      [false, false, true, true]
    )
  })

  it("become fewer with each older version that has fewer", () => {
    const ladder: Array<ServerVersion> = []
    for (let version: ServerVersion | null = NEWEST; version !== null; version = older(version)) ladder.push(version)
    assert.deepStrictEqual(
      ladder.map(({ major }) => major),
      [18, 17, 16, 15, 14]
    )
    const counts = ladder.map((version) => names(version).length)
    assert.deepStrictEqual(
      counts,
      [...new Set(counts)].sort((a, b) => b - a)
    )
    assert.deepStrictEqual(older({ major: 16, minor: 9 }), { major: 16, minor: null })
  })
})

describe("commits of ours", () => {
  const said = (settings: ReadonlyArray<readonly [string, string | null]>, text: string | null = null) =>
    synchronousCommit(
      specOf({
        settings: [],
        extra: {
          cluster: {
            roles: [],
            databases: [],
            postgresql_conf: text,
            settings: settings.map(([name, value]) => ({ name, value, vartype: "enum" }))
          }
        }
      }).spec
    )

  it("are as safe as the configuration wants them, whatever a tenant has set", () => {
    assert.strictEqual(said([]), "on")
    assert.strictEqual(said([["synchronous_commit", "local"]]), "local")
    assert.strictEqual(said([], "port = 1\nSynchronous_Commit = 'remote_write'\n"), "remote_write")
    assert.strictEqual(said([["synchronous_commit", "off"]], "synchronous_commit = on"), "off")
    // Not for us to say what an unknown word means.
    assert.strictEqual(said([["synchronous_commit", "maybe -c role=x"]]), null)
    assert.include(optionsFor(NEWEST), " -c synchronous_commit=on ")
    assert.notInclude(sessionOptions("none", { version: NEWEST, commit: null }), "synchronous_commit")
  })
})

describe("versions", () => {
  it("are read from the data directory's file and from what the server says", () => {
    assert.deepStrictEqual(parseServerVersion("17\n"), { major: 17, minor: null })
    assert.deepStrictEqual(parseServerVersion("15.8 (Debian 15.8-1.pgdg120+1)"), { major: 15, minor: 8 })
    assert.deepStrictEqual(parseServerVersion("18beta1"), { major: 18, minor: null })
    assert.strictEqual(parseServerVersion("neon"), null)
  })
})

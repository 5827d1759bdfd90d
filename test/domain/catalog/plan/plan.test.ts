import { assert, describe, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { stored } from "../../../../src/domain/catalog/Name.ts"
import { changes, planReport, planText } from "../../../../src/domain/catalog/plan/PlanReport.ts"
import { planSteps } from "../../../../src/domain/catalog/plan/plan.ts"
import type { PhaseName, Plan, Step } from "../../../../src/domain/catalog/plan/Step.ts"
import { NO_FAULTS, type Snapshot } from "../../../../src/domain/catalog/Snapshot.ts"
import { run } from "../../../../src/domain/json/Steps.ts"
import { database, mark, role, SCRAM, type SpecParts, snapshotOf, specOf, TIMELINE } from "../parts.ts"

const plan = (...given: Parameters<typeof planSteps>) => run(planSteps(...given))

/** The steps that are certain to run, in order. */
const stepsOf = ({ phases }: Plan): ReadonlyArray<Step> =>
  phases.flatMap(({ databases, steps }) => [...steps, ...databases.flatMap((work) => work.steps)])

const settings = { privilegedRole: "neon_superuser", lakebase: false }

const planned = (parts: SpecParts, found: Partial<Snapshot> = {}, more: Partial<typeof settings> = {}): Plan =>
  Result.getOrThrow(plan(specOf(parts), snapshotOf(found), { ...settings, ...more }))

const of = (whole: Plan, phase: PhaseName): ReadonlyArray<string> => {
  const found = whole.phases.find(({ name }) => name === phase)
  return [...(found?.steps ?? []), ...(found?.databases ?? []).flatMap((work) => work.steps)].map(({ statement }) =>
    Redacted.value(statement)
  )
}
/** What is set beside the statements. */
const passwords = (whole: Plan) =>
  stepsOf(whole).flatMap(({ password }) =>
    password === null ? [] : [[password.role, Redacted.value(password.verifier)]]
  )
const roles = (...pairs: ReadonlyArray<readonly [string, string | null]>) =>
  new Map(pairs.map(([name, password]) => [name, password === null ? null : Redacted.make(password)]))
const db = (name: string, owner: string, more: object = {}) => ({
  oid: 16384 + name.length,
  name,
  owner,
  template: false,
  connectable: true,
  limit: -1,
  ...more
})

describe("roles", () => {
  it("sets a bare hash with its prefix", () => {
    const hash = "6b1d16b78004bbd51fa06af9eda75972"
    assert.deepStrictEqual(of(planned({ roles: [role("a", hash)] }), "create and alter roles"), [
      `CREATE ROLE "a" INHERIT CREATEROLE CREATEDB BYPASSRLS REPLICATION IN ROLE neon_superuser LOGIN`
    ])
    assert.deepStrictEqual(passwords(planned({ roles: [role("a", hash)] })), [["a", `md5${hash}`]])
  })

  it("renders options before LOGIN", () => {
    const options = [
      { name: "CONNECTION LIMIT", value: "5", vartype: "integer" },
      { name: "VALID UNTIL", value: "2030-01-01", vartype: "string" }
    ]
    const [statement] = of(planned({ roles: [role("a", null, options)] }), "create and alter roles")
    assert.ok(statement?.endsWith("CONNECTION LIMIT 5 VALID UNTIL '2030-01-01' LOGIN PASSWORD NULL"))
  })

  it("lets no option swallow what follows", () => {
    const comment = [{ name: "CONNECTION LIMIT 5 -- five", value: null, vartype: "string" }]
    const whole = planned({ roles: [role("a", null, comment)], dbs: [database("d", "o", comment)] })
    assert.match(of(whole, "create and alter roles").join(), /-- five\nLOGIN PASSWORD NULL$/)
    const other = [{ name: "ENCODING 'UTF8' -- text", value: null, vartype: "string" }]
    const made = planned({ dbs: [database("d", "o", other)] })
    assert.match(of(made, "create and alter databases").join(), /-- text\nOWNER "o" CONNECTION LIMIT/)
  })

  it("leaves a role with the same verifier alone, MD5 modulo prefix", () => {
    const found = { roles: roles(["a", SCRAM], ["b", "md50123456789abcdef0123456789abcdef"], ["c", null]) }
    const same = [role("a"), role("b", "0123456789abcdef0123456789abcdef"), role("c", null)]
    assert.deepStrictEqual(of(planned({ roles: same }, found), "create and alter roles"), [])
  })

  it("takes a password away that the spec does not have", () => {
    const whole = planned({ roles: [role("a", null)] }, { roles: roles(["a", SCRAM]) })
    assert.deepStrictEqual(of(whole, "create and alter roles"), ['ALTER ROLE "a" LOGIN PASSWORD NULL'])
  })

  it("takes an empty password for none", () => {
    const [statement] = of(planned({ roles: [role("a", "")] }), "create and alter roles")
    assert.ok(statement?.endsWith("LOGIN PASSWORD NULL"))
    const same = planned({ roles: [role("a", "")] }, { roles: roles(["a", null]) })
    assert.deepStrictEqual(of(same, "create and alter roles"), [])
  })

  it("refuses a password that is no verifier, and only that role", () => {
    const bad = "x'; DROP ROLE b; --"
    const whole = planned({ roles: [role("a", bad), role("b")] }, { roles: roles(["a", SCRAM]) })
    const steps = whole.phases.find(({ name }) => name === "create and alter roles")?.steps ?? []
    assert.deepStrictEqual(
      steps.map(({ object, refused }) => [object, refused === null]),
      [
        ['role "a"', false],
        ['role "b"', true]
      ]
    )
    assert.notInclude(steps.map(({ statement }) => Redacted.value(statement)).join(), "DROP")
    assert.match(planText(planReport(whole)), /role "a": refused: encrypted_password is no password verifier/)
  })

  it("gives a role authenticated by JWT no attributes", () => {
    const jwks = [{ id: "1", role_names: ["j"], jwks_url: "https://x/jwks", provider_name: "p", jwt_audience: null }]
    const whole = planned({ roles: [role("j", null)], extra: { local_proxy_config: { jwks } } })
    assert.deepStrictEqual(of(whole, "create and alter roles"), ['CREATE ROLE "j" LOGIN PASSWORD NULL'])
  })

  it("renames, then sets the password that a rename clears", () => {
    const hash = "0123456789abcdef0123456789abcdef"
    const parts = { roles: [role("new", hash)], ops: [{ action: "rename_role", name: "old", new_name: "new" }] }
    const whole = planned(parts, { roles: roles(["old", `md5${hash}`]) })
    assert.deepStrictEqual(of(whole, "rename roles"), ['ALTER ROLE "old" RENAME TO "new"'])
    assert.deepStrictEqual(of(whole, "create and alter roles"), ['ALTER ROLE "new" LOGIN'])
    assert.deepStrictEqual(passwords(whole), [["new", `md5${hash}`]])
    const replayed = planned(parts, { roles: roles(["new", `md5${hash}`]) })
    assert.deepStrictEqual(of(replayed, "rename roles"), [])
    assert.deepStrictEqual(of(replayed, "create and alter roles"), [])
  })

  it("refuses a rename without a new name", () => {
    const parsed = specOf({})
    const op = { action: "rename_role", name: "a", new_name: null }
    const refused = plan({ ...parsed, spec: { ...parsed.spec, delta_operations: [op] } }, snapshotOf({}), settings)
    assert.match(Result.isFailure(refused) ? refused.failure.message : "", /rename_role of "a" has no new_name/)
  })

  it("drops a role once", () => {
    const ops = [
      { action: "delete_role", name: "a" },
      { action: "delete_role", name: "a" }
    ]
    assert.deepStrictEqual(of(planned({ ops }, { roles: roles(["a", null]) }), "drop roles"), [
      'DROP ROLE IF EXISTS "a"'
    ])
    assert.deepStrictEqual(of(planned({ ops }), "drop roles"), [])
  })

  it("compares names as the server stores them", () => {
    const long = "é".repeat(40)
    assert.strictEqual(new TextEncoder().encode(stored(long)).length, 62)
    const whole = planned({ roles: [role(long)] }, { roles: roles([stored(long), SCRAM]) })
    assert.deepStrictEqual(of(whole, "create and alter roles"), [])
  })

  it("names the custom privileged role and no other", () => {
    const whole = planned({ roles: [role("a")], dbs: [database("d", "a")] }, {}, { privilegedRole: "boss" })
    const all = stepsOf(whole).map(({ statement }) => Redacted.value(statement))
    assert.ok(all.some((text) => text.startsWith("CREATE ROLE boss ")))
    assert.ok(!all.some((text) => text.includes("neon_superuser")))
  })

  it("lets a role called like the privileged one keep its name, and that one be", () => {
    const ops = ["my_neon_superuser", "boss"].map((name) => ({ action: "delete_role", name }))
    const found = { roles: roles(["my_neon_superuser", null], ["boss", null]) }
    const steps = stepsOf(planned({ ops }, found, { privilegedRole: "boss" }))
    assert.deepStrictEqual(
      steps.filter(({ doomed }) => doomed !== null).map(({ sql, refused }) => [sql, refused]),
      [
        ['DROP ROLE IF EXISTS "my_neon_superuser"', null],
        ['DROP ROLE IF EXISTS "boss"', "it is the privileged role"]
      ]
    )
  })
})

describe("databases", () => {
  it("creates with the options, marked until its grants are there", () => {
    const options = [
      { name: "LC_COLLATE", value: "C", vartype: "string" },
      { name: "LC_CTYPE", value: "C", vartype: "string" },
      { name: "TEMPLATE", value: "template0", vartype: "enum" }
    ]
    const whole = planned({ dbs: [database("My DB", "alexk", options)] })
    assert.deepStrictEqual(of(whole, "create and alter databases"), [
      `CREATE DATABASE "My DB" LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0 OWNER "alexk" CONNECTION LIMIT 2147483646`
    ])
    assert.deepStrictEqual(of(whole, "grant databases"), [
      'GRANT ALL ON DATABASE "My DB" TO neon_superuser; ALTER DATABASE "My DB" CONNECTION LIMIT -1'
    ])
  })

  it("completes one whose creation was interrupted, with the limit of the spec", () => {
    const options = [{ name: "CONNECTION LIMIT", value: "7", vartype: "integer" }]
    const whole = planned({ dbs: [database("d", "o", options)] }, { databases: [db("d", "o", { limit: 2147483646 })] })
    assert.deepStrictEqual(of(whole, "create and alter databases"), [])
    assert.deepStrictEqual(of(whole, "grant databases"), [
      'GRANT ALL ON DATABASE "d" TO neon_superuser; ALTER DATABASE "d" CONNECTION LIMIT 7'
    ])
  })

  it("only changes the owner of an existing one", () => {
    const whole = planned({ dbs: [database("db1", "u2")] }, { databases: [db("db1", "u1")] })
    assert.deepStrictEqual(of(whole, "create and alter databases"), ['ALTER DATABASE "db1" OWNER TO "u2"'])
    assert.deepStrictEqual(of(whole, "grant databases"), [])
  })

  it("drops and renames in the order of the operations", () => {
    const ops = [
      { action: "delete_db", name: "A" },
      { action: "rename_db", name: "B", new_name: "C" }
    ]
    const databases = [db("A", "o", { template: true }), db("B", "o")]
    const whole = planned({ dbs: [database("C", "o")], ops }, { databases })
    assert.deepStrictEqual(of(whole, "rename and delete databases"), [
      'ALTER DATABASE "A" IS_TEMPLATE false',
      'DROP DATABASE IF EXISTS "A" WITH (FORCE)',
      'ALTER DATABASE "B" RENAME TO "C"'
    ])
    assert.deepStrictEqual(of(whole, "create and alter databases"), [])
    const replayed = planned({ dbs: [database("C", "o")], ops }, { databases: [db("C", "o")] })
    assert.deepStrictEqual(of(replayed, "rename and delete databases"), [])
  })

  it("makes an invalid one anew", () => {
    const whole = planned({ dbs: [database("x", "o")] }, { databases: [db("x", "o", { limit: -2 })] })
    assert.deepStrictEqual(of(whole, "drop invalid databases"), ['DROP DATABASE IF EXISTS "x"'])
    assert.strictEqual(of(whole, "create and alter databases").length, 1)
    assert.strictEqual(of(whole, "grant databases").length, 1)
  })

  it("skips what it cannot enter, and says so", () => {
    const whole = planned({ dbs: [database("shut", "o")] }, { databases: [db("shut", "o", { connectable: false })] })
    assert.deepStrictEqual(whole.warnings, ['database "shut" does not accept connections: skipped'])
    assert.ok(!whole.phases.some(({ name }) => name === "databases"))
  })
})

describe("inside databases", () => {
  it("drops inherited subscriptions once per timeline", () => {
    const extra = { drop_subscriptions_before_start: true }
    const before = { databases: [db("d1", "o")], subscribers: ["d1"], timeline: TIMELINE }
    const fresh = planned({ dbs: [database("d1", "o")], extra }, before)
    assert.match(of(fresh, "databases").join(), /LOCK TABLE pg_catalog.pg_subscription IN ACCESS EXCLUSIVE MODE/)
    assert.strictEqual(of(fresh, "record dropped subscriptions").length, 1)
    const done = planned({ dbs: [database("d1", "o")], extra }, { ...before, subscriptionsDroppedFor: TIMELINE })
    assert.deepStrictEqual(of(done, "databases"), [])
    assert.deepStrictEqual(of(done, "record dropped subscriptions"), [])
    const branch = planned({ dbs: [database("d1", "o")], extra }, { ...before, subscriptionsDroppedFor: "parent" })
    assert.strictEqual(of(branch, "record dropped subscriptions").length, 1)
  })

  it("grants on public what is missing", () => {
    const inspection = {
      oid: 16386,
      publicOwner: "cloud_admin",
      publicOfSuperuser: true,
      webAccess: false,
      tablesGranted: false,
      sequencesGranted: true
    }
    const inspected = { databases: [db("d1", "o")], inspections: new Map([["d1", inspection]]) }
    const dbs = [database("d1", "o")]
    assert.deepStrictEqual(of(planned({ roles: [role("web_access")], dbs }, inspected), "databases"), [
      'ALTER SCHEMA public OWNER TO "o"',
      "GRANT CREATE ON SCHEMA public TO web_access",
      "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL ON TABLES TO neon_superuser WITH GRANT OPTION"
    ])
    const none = new Map([["d1", { ...inspection, publicOwner: null }]])
    assert.deepStrictEqual(of(planned({ dbs }, { ...inspected, inspections: none }), "databases"), [])
    const theirs = new Map([["d1", { ...inspection, publicOfSuperuser: false, tablesGranted: true }]])
    assert.deepStrictEqual(of(planned({ dbs }, { ...inspected, inspections: theirs }), "databases"), [])
  })
})

describe("the system database", () => {
  it("needs pg_stat_statements only for a library in the settings", () => {
    const preload = [{ name: "shared_preload_libraries", value: "neon,pg_stat_statements", vartype: "string" }]
    assert.strictEqual(of(planned({ settings: preload }), "other extensions").length, 1)
    const conf = {
      cluster: { roles: [], databases: [], postgresql_conf: "shared_preload_libraries='pg_stat_statements'" }
    }
    assert.deepStrictEqual(of(planned({ extra: conf }), "other extensions"), [])
  })

  it("audits by level, in database postgres not at all", () => {
    const base = of(planned({ extra: { audit_log_level: "Base" } }), "audit")
    assert.deepStrictEqual(base, [
      "CREATE EXTENSION IF NOT EXISTS pgaudit WITH SCHEMA public",
      "ALTER DATABASE postgres SET pgaudit.log TO 'none'"
    ])
    const hipaa = of(
      planned({ extra: { audit_log_level: "Hipaa" } }, { postgresSettings: ["pgaudit.log=none"] }),
      "audit"
    )
    assert.deepStrictEqual(
      hipaa.map((text) => text.split(" ")[5]),
      ["pgaudit", "pgauditlogtofile"]
    )
  })

  it("brings the neon extension to its schema and version", () => {
    const extensions = [{ name: "neon", version: "1.0", schema: "public", relocatable: false, ours: true }]
    assert.deepStrictEqual(
      of(planned({}, { extensions, neonAvailable: "1.6" }), "neon extension").map((text) =>
        text.split(" ", 3).join(" ")
      ),
      ["UPDATE pg_catalog.pg_extension SET", "ALTER EXTENSION neon", "ALTER EXTENSION neon"]
    )
  })

  it("does without the neon extension on a server that has none, unless the spec counts on it", () => {
    const without = planned({}, { neonAvailable: null })
    assert.deepStrictEqual(of(without, "neon extension"), [])
    assert.deepStrictEqual(without.warnings, [
      'extension "neon" is not made: this server does not have it, and the spec does not preload it'
    ])
    for (const parts of [
      { settings: [{ name: "shared_preload_libraries", value: "pg_stat_statements, neon", vartype: "string" }] },
      { extra: { cluster: { roles: [], databases: [], postgresql_conf: "shared_preload_libraries = 'neon'" } } }
    ])
      assert.deepStrictEqual(of(planned(parts, { neonAvailable: null }), "neon extension"), [
        "CREATE EXTENSION neon WITH SCHEMA neon"
      ])
  })

  it("has nothing to do when all is there", () => {
    const whole = planned(
      {},
      {
        roles: roles(["neon_superuser", null]),
        schemaNeon: true,
        healthCheck: true,
        extensions: [{ name: "neon", version: "1.0", schema: "neon", relocatable: true, ours: true }]
      }
    )
    assert.deepStrictEqual(whole.phases, [])
    assert.strictEqual(changes(planReport(whole)), 0)
    assert.strictEqual(planText(planReport(whole)), "nothing to do")
  })

  it("tells settings beside the catalog's changes, and does not count them", () => {
    const settings = [
      { name: "max_connections", from: "100", to: "200", taken_by: "restart" },
      { name: "work_mem", from: null, to: "8MB", taken_by: "reload" }
    ] as const
    const report = { phases: [], warnings: [], settings }
    assert.strictEqual(changes(report), 0)
    assert.strictEqual(
      planText(report),
      [
        "settings",
        "  - max_connections: 100 -> 200 (waits for a restart)",
        "  - work_mem: its default -> 8MB (at once)",
        "nothing to do in the catalog"
      ].join("\n")
    )
  })
})

describe("what tenants have made under a name of ours", () => {
  const warned = (parts: SpecParts, found: Partial<Snapshot>, more: Partial<typeof settings> = {}) => {
    const whole = planned(parts, found, more)
    return [whole.warnings, stepsOf(whole).map(({ sql }) => sql)] as const
  }
  const settled = {
    roles: roles(["neon_superuser", null]),
    marks: [mark("neon_superuser", { given: true })],
    schemaNeon: true,
    healthCheck: true,
    extensions: [{ name: "neon", version: "1.0", schema: "neon", relocatable: true, ours: true }]
  }

  it("is not the privileged role", () => {
    const refusal = (more: object) => {
      const found = { ...settled, marks: [mark("neon_superuser", more)] }
      return plan(specOf({}), snapshotOf(found), settings)
    }
    for (const more of [{ created: true }, { login: true }, { shared: true }]) {
      const refused = refusal(more)
      assert.match(Result.isFailure(refused) ? refused.failure.message : "", /"neon_superuser" is not ours: a tenant/)
      assert.ok(Result.isSuccess(refusal({ ...more, given: true })))
    }
    assert.ok(Result.isSuccess(refusal({})))
    const powerless = plan(specOf({}), snapshotOf({ ...settled, superuser: false }), settings)
    assert.match(Result.isFailure(powerless) ? powerless.failure.message : "", /is no superuser/)
  })

  it("is not web_access, unless the spec lists it", () => {
    const inspection = {
      ...{ oid: 16386, publicOwner: "pg_database_owner", publicOfSuperuser: false, webAccess: false },
      ...{ tablesGranted: true, sequencesGranted: true }
    }
    const given = (listed: boolean, more: object) => {
      const found = {
        ...settled,
        roles: roles(["neon_superuser", null], ["web_access", SCRAM]),
        marks: [...settled.marks, mark("web_access", more)],
        databases: [db("d1", "o")],
        inspections: new Map([["d1", inspection]])
      }
      return warned({ roles: listed ? [role("web_access")] : [], dbs: [database("d1", "o")] }, found)[1]
    }
    const grant = ["GRANT CREATE ON SCHEMA public TO web_access"]
    assert.deepStrictEqual([given(false, {}), given(false, { given: true })], [[], grant])
    assert.deepStrictEqual(
      [given(true, {}), given(true, { created: true }), given(true, { shared: true })],
      [grant, [], []]
    )
  })

  it("is left alone, and named", () => {
    const theirs = "it belongs to role alice"
    const faulty = (faults: object, more: Partial<Snapshot> = {}) => ({
      ...settled,
      faults: { ...NO_FAULTS, ...faults },
      ...more
    })
    const table = (name: string) => `table "${name}" is not ours: ${theirs}; it is left alone`
    assert.deepStrictEqual(warned({}, faulty({ healthCheck: theirs })), [[table("public.health_check")], []])
    const inTheirs = `it is in schema "neon", and ${theirs}`
    assert.deepStrictEqual(warned({}, faulty({ schemaNeon: theirs }, { extensions: [], healthCheck: false }))[1], [])
    const extra = { drop_subscriptions_before_start: true }
    const timeline = TIMELINE
    assert.deepStrictEqual(warned({ extra }, faulty({ schemaNeon: theirs }, { timeline }))[0], [
      `extension "neon" is not ours: ${inTheirs}; it is left alone`,
      `table "neon.drop_subscriptions_done" is not ours: ${inTheirs}; it is left alone`
    ])
    assert.deepStrictEqual(warned({ extra }, faulty({ subscriptionsDone: theirs }, { timeline })), [
      [table("neon.drop_subscriptions_done")],
      []
    ])
    const preload = [{ name: "shared_preload_libraries", value: "pg_stat_statements", vartype: "string" }]
    assert.deepStrictEqual(warned({ settings: preload }, faulty({ statements: theirs }))[1], [])
    for (const name of ["neon", "pg_stat_statements", "pgaudit"]) {
      const extensions = [{ name, version: "0.1", schema: "s", relocatable: false, ours: false }]
      const parts = { settings: preload, extra: { audit_log_level: "Base" } }
      const [warnings, steps] = warned(parts, { ...settled, extensions })
      assert.include(warnings.join(), `extension "${name}" is not ours`)
      assert.ok(!steps.some((sql) => /EXTENSION/.test(sql) && new RegExp(`\\b${name} `).test(sql)))
    }
  })

  it("is taken off our table", () => {
    const faults = { ...NO_FAULTS, healthCheckGrantees: [null, 'a"b'], healthCheckTriggers: ["t"] }
    assert.deepStrictEqual(warned({}, { ...settled, faults })[1], [
      'REVOKE ALL ON TABLE public.health_check FROM PUBLIC, "a""b" CASCADE; DROP TRIGGER IF EXISTS "t" ON public.health_check'
    ])
  })

  it("is audited in database postgres, too, where that is a tenant's", () => {
    const parts = { dbs: [database("postgres", "alice")], extra: { audit_log_level: "Base" } }
    const databases = [db("postgres", "alice")]
    assert.ok(
      !warned(parts, { ...settled, databases })[1]
        .join()
        .includes("pgaudit.log")
    )
    const before = warned(parts, { ...settled, databases, postgresSettings: ["pgaudit.log=none"] })
    assert.include(before[1].join(), "ALTER DATABASE postgres RESET pgaudit.log")
  })

  it("gets nothing in a lakebase compute either", () => {
    const lakebase = { lakebase: true }
    const found = {
      ...settled,
      roles: roles(["neon_superuser", null], ["databricks_monitor", null]),
      marks: [...settled.marks, mark("databricks_monitor", { login: true, created: true })]
    }
    const [warnings, steps] = warned({}, found, lakebase)
    assert.include(warnings.join(), 'role "databricks_monitor" is not ours')
    assert.notMatch(steps.join(), /TO databricks_monitor|ALTER ROLE databricks_monitor/)
    const theirs = "it belongs to role alice"
    const faults = {
      ...NO_FAULTS,
      writeFunction: theirs,
      perfCounters: theirs,
      healthCheck: theirs,
      schemaNeon: theirs
    }
    const extensions = [
      ...settled.extensions,
      { name: "databricks_auth", version: "1", schema: "s", relocatable: true, ours: false }
    ]
    const none = warned({}, { ...settled, faults, extensions }, lakebase)[1].join()
    assert.notMatch(none, /neon|health_check|databricks_auth/)
    assert.match(none, /pg_ls_dir/)
  })
})

describe("a plan for readers", () => {
  it("never shows a verifier", () => {
    const few = planned({ roles: [role("a"), role("b", "0123456789abcdef0123456789abcdef"), role("c", "in clear")] })
    const many = planned({ roles: Array.from({ length: 20 }, (_, index) => role(`r${index}`)) })
    for (const whole of [few, many]) {
      const text = planText(planReport(whole)) + JSON.stringify(whole) + JSON.stringify(planReport(whole))
      assert.ok(!/SCRAM-SHA-256\$|0123456789abcdef|in clear/.test(text))
    }
  })

  it("is in the order in which it is run", () => {
    const names = planned(
      {
        roles: [role("a")],
        dbs: [database("d", "a")],
        ops: [{ action: "delete_role", name: "gone" }]
      },
      { roles: roles(["gone", null]) }
    ).phases.map(({ name }) => name)
    assert.deepStrictEqual(names, [
      "privileged role",
      "create and alter roles",
      "create and alter databases",
      "grant databases",
      "schema neon",
      "databases",
      "neon extension",
      "availability check",
      "drop roles"
    ])
  })
})

describe("lakebase", () => {
  it("adds its roles, grants and functions", () => {
    const found = {
      roles: roles(["databricks_reader_7", null], ["databricks_reader_x", null]),
      readerTimeout: "30s"
    }
    const whole = planned({}, found, { lakebase: true })
    assert.ok(!of(whole, "privileged role").join().includes("REPLICATION"))
    assert.deepStrictEqual(of(whole, "databricks roles"), [
      "CREATE ROLE databricks_monitor LOGIN PASSWORD NULL IN ROLE pg_monitor",
      "CREATE ROLE databricks_control_plane LOGIN PASSWORD NULL SUPERUSER",
      "CREATE ROLE databricks_gateway LOGIN PASSWORD NULL"
    ])
    assert.deepStrictEqual(of(whole, "databricks reader timeouts"), [
      `ALTER ROLE "databricks_reader_7" SET statement_timeout = '30s'`
    ])
    assert.strictEqual(of(whole, "databricks auth extension").length, 3)
    assert.strictEqual(of(whole, "databricks grants").length, 5)
    assert.strictEqual(of(whole, "databricks functions").length, 2)
  })
})

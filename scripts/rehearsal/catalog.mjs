// What the rehearsal's Postgres has in its catalog: enough for an apply to make a few roles and databases, and to find them
// when it looks again. Whatever else it is asked has no rows.

const [BOOL, INT4, TEXT] = [16, 23, 25]

const columns = (types) => Object.entries(types)
const rows = (types, ...all) => ({
  columns: columns(types),
  rows: all.map((row) => columns(types).map(([name]) => row[name] ?? null))
})
const answer = (document) => rows({ answer: TEXT }, { answer: JSON.stringify(document) })

const CONTROL = "comment = 'rehearsed'\ndefault_version = '1.0'\nrelocatable = true\n"
const PRIVILEGED = "neon_superuser"
const NOBODYS = { schemaNeon: null, healthCheck: null, healthCheckTriggers: [], healthCheckGrantees: [] }
const NO_FAULTS = { ...NOBODYS, subscriptionsDone: null, statements: null, perfCounters: null, writeFunction: null }

/** Names and verifiers: the two lists that stand in the parameters of a statement. */
const listsIn = (parameters) =>
  [...parameters.matchAll(/\{("[^}]*")\}/g)].map(([, list]) => list.split(",").map((name) => name.slice(1, -1)))

/** One server's. Changes are seen in the text of what is sent, and last until its end. */
export const make = () => {
  const roles = new Map([["cloud_admin", null]])
  const databases = new Map(
    ["template1", "template0", "postgres"].map((name, at) => [
      name,
      { oid: at + 1, owner: "cloud_admin", template: name !== "postgres", connectable: name !== "template0", limit: -1 }
    ])
  )
  const granted = new Set()
  let hasNeon = false
  let migration = null
  let loads = 0

  const snapshot = () => ({
    version: 170000,
    started: "1700000000.000000",
    system: "postgres",
    superuser: true,
    timeline: null,
    subscriptionsDroppedFor: null,
    roles: { names: [...roles.keys()], passwords: [...roles.values()] },
    databases: [...databases].map(([name, one]) => ({ name, ...one })),
    subscribers: [],
    extensions: [
      { name: "plpgsql", version: "1.0", schema: "pg_catalog", relocatable: false, ours: true },
      ...(hasNeon ? [{ name: "neon", version: "1.0", schema: "neon", relocatable: true, ours: true }] : [])
    ],
    neonControl: CONTROL,
    schemaNeon: hasNeon,
    healthCheck: hasNeon,
    healthCheckPlain: true,
    marks: roles.has(PRIVILEGED)
      ? [
          {
            name: PRIVILEGED,
            superuser: false,
            login: false,
            given: true,
            monitor: true,
            created: false,
            shared: false
          }
        ]
      : [],
    postgresSettings: [],
    readerTimeout: null,
    roleTimeouts: []
  })

  const inspection = (database) => ({
    oid: databases.get(database)?.oid ?? 0,
    publicOwner: "pg_database_owner",
    publicOfSuperuser: false,
    webAccess: null,
    tablesGranted: granted.has(database),
    sequencesGranted: granted.has(database)
  })

  const setPasswords = (parameters) => {
    const [names = [], verifiers = []] = listsIn(parameters)
    for (const [at, name] of names.entries()) roles.set(name, verifiers[at] ?? null)
    return rows({ rolname: TEXT }, ...names.map((rolname) => ({ rolname })))
  }

  /** By a piece of the statement that no other has. */
  const questions = [
    ["'version', pg_catalog.current_setting", () => answer(snapshot())],
    ["'schemaNeon', (", () => answer(NO_FAULTS)],
    ["'publicOwner'", (database) => answer(inspection(database))],
    ["UPDATE pg_catalog.pg_authid AS a", (_, parameters) => setPasswords(parameters)],
    ["'superuser_reserved_connections'", () => rows({ free: INT4 }, { free: "90" })],
    ["'neon.max_cluster_size'", () => rows({ limit: TEXT }, { limit: "-1" })],
    ["AS loaded", () => rows({ loaded: BOOL }, { loaded: "t" })],
    ["pg_conf_load_time()::", () => rows({ time: TEXT }, { time: String(loads++) })],
    [
      "'neon_migration'",
      () =>
        rows(
          { schema: BOOL, table: BOOL, fault: TEXT },
          { schema: migration === null ? "f" : "t", table: migration === null ? "f" : "t", fault: null }
        )
    ],
    ["SELECT id FROM neon_migration", () => rows({ id: TEXT }, { id: String(migration) })],
    [
      "datname AS name",
      () => rows({ oid: TEXT, name: TEXT }, ...[...databases].map(([name, { oid }]) => ({ oid: String(oid), name })))
    ],
    [
      "SELECT extname,",
      () =>
        rows(
          { extname: TEXT, version: TEXT, by_superuser: BOOL },
          { extname: "neon", version: "1.0", by_superuser: "t" }
        )
    ],
    [
      "'clock' as kind",
      () => {
        const types = { kind: TEXT, detail: TEXT, count: TEXT, since: TEXT, latest: TEXT }
        return rows(types, { kind: "clock", count: "0", since: "1700000000000000" })
      }
    ]
  ]

  /** Of the statements of an apply, those by which the next snapshot is another. */
  const change = (text, database) => {
    for (const [, quoted, plain] of text.matchAll(/CREATE ROLE (?:"([^"]+)"|(\w+))/g)) roles.set(quoted ?? plain, null)
    for (const [, name, owner] of text.matchAll(/CREATE DATABASE "([^"]+)" OWNER "([^"]+)"/g)) {
      databases.set(name, { oid: databases.size + 1, owner, template: false, connectable: true, limit: 2147483646 })
    }
    for (const [, name] of text.matchAll(/ALTER DATABASE "([^"]+)" CONNECTION LIMIT -1/g)) {
      databases.set(name, { ...databases.get(name), limit: -1 })
    }
    for (const [, id] of text.matchAll(/SET id = (\d+)/g)) migration = id
    if (text.includes("CREATE EXTENSION neon")) hasNeon = true
    if (text.includes("ALTER DEFAULT PRIVILEGES")) granted.add(database)
  }

  return {
    /** Columns, as name and object id of the type, and rows; null for a statement that has none. */
    ask: (text, database, parameters) => {
      const known = questions.find(([piece]) => text.includes(piece))
      if (known !== undefined) return known[1](database, parameters)
      change(text, database)
      return null
    }
  }
}

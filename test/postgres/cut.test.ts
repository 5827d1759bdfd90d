/**
 * The connection is cut at each statement in turn, before or after the server has run it; the next apply must come to the
 * same catalog as one that was never disturbed.
 */
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Catalog } from "../../src/layers/catalog/Catalog.ts"
import { Sql, SqlFailed } from "../../src/layers/sql/Sql.ts"
import {
  advanced,
  type Cluster,
  database,
  look,
  role,
  type SpecParts,
  specOf,
  startCluster,
  type Template,
  template,
  versions
} from "./cluster.ts"

const hash = "0123456789abcdef0123456789abcdef"
const before: SpecParts = {
  roles: [role("keeper"), role("old", hash), role("doomed")],
  dbs: [
    database("kept", "keeper"),
    database("template", "keeper"),
    database("old", "old"),
    database("broken", "keeper")
  ]
}
const after: SpecParts = {
  roles: [role("keeper", null), role("new", hash), role("web_access")],
  dbs: [
    database("kept", "new"),
    database("renamed", "new"),
    database("broken", "keeper"),
    database("fresh", "keeper", [{ name: "CONNECTION LIMIT", value: "9", vartype: "integer" }]),
    database("fresh too", "new")
  ],
  ops: [
    { action: "rename_role", name: "old", new_name: "new" },
    { action: "rename_db", name: "old", new_name: "renamed" },
    { action: "delete_db", name: "template" },
    { action: "delete_role", name: "doomed" }
  ],
  extra: { drop_subscriptions_before_start: true }
}

const closed = SqlFailed.of("connection closed")

interface Cut {
  readonly at: number
  readonly when: "before" | "after"
  seen: number
}

/** Counts the scripts of all sessions, and breaks the session of the one that was chosen. */
const cutting = (cut: Cut) =>
  Layer.effect(
    Sql,
    Effect.map(Sql, (sql) => ({
      ...sql,
      session: (options) =>
        Effect.map(sql.session(options), (session) => {
          let broken = false
          const script = (text: string) =>
            Effect.suspend(() => {
              if (broken) return closed
              cut.seen += 1
              if (cut.seen !== cut.at) return session.script(text)
              broken = true
              return cut.when === "before" ? closed : Effect.andThen(session.script(text), closed)
            })
          return { ...session, script }
        })
    }))
  )

class From extends Context.Service<From, Template>()("test/Template") {}

const prepare = (cluster: Cluster) =>
  Effect.gen(function* () {
    yield* Effect.gen(function* () {
      const catalog = yield* Catalog
      yield* catalog.apply(specOf(before), { phase: "start", concurrency: 4 })
      yield* catalog.migrate(specOf(before))
    }).pipe(Effect.provide(cluster.layer()))
    const subscription = "connection 'host=127.0.0.1 port=1 dbname=x' publication p with (connect=false)"
    yield* cluster.sql("kept", `create subscription s ${subscription}`)
    yield* cluster.sql("kept", "create table public.t(); alter table t owner to doomed")
    yield* cluster.sql("template", `create subscription gone ${subscription}`)
    yield* cluster.sql("postgres", "alter database template is_template true; grant connect on database kept to doomed")
    yield* cluster.sql("postgres", "create table public.d(); alter table d owner to doomed")
    yield* cluster.sql("postgres", "update pg_database set datconnlimit = -2 where datname = 'broken'")
  })

const changed = (cluster: Cluster, cut: Cut | null) =>
  Effect.flatMap(Catalog, (catalog) => catalog.apply(specOf(after), { phase: "reconfigure", concurrency: 4 })).pipe(
    Effect.provide(cut === null ? cluster.layer() : cluster.layerOver(cutting(cut)))
  )

for (const server of versions) {
  const from = Effect.flatMap(template(server), (fresh) => advanced(fresh, prepare))
  layer(Layer.effect(From, from), { excludeTestServices: true })(`Postgres ${server.major}`, (it) => {
    // One version is enough for the cut that leaves nothing behind.
    for (const when of server === versions[0] ? (["before", "after"] as const) : (["after"] as const)) {
      it.effect(
        `comes to the same end when it is cut ${when} each statement`,
        () =>
          Effect.gen(function* () {
            const from = yield* From
            const whole = yield* Effect.scoped(
              Effect.gen(function* () {
                const cluster = yield* startCluster(from)
                const cut: Cut = { at: -1, when, seen: 0 }
                yield* changed(cluster, cut)
                return { catalog: yield* look(cluster), statements: cut.seen }
              })
            )
            assert.ok(whole.statements > 10)
            for (let at = 1; at <= whole.statements; at++) {
              yield* Effect.scoped(
                Effect.gen(function* () {
                  const cluster = yield* startCluster(from)
                  const failed = yield* Effect.result(changed(cluster, { at, when, seen: 0 }))
                  assert.strictEqual(failed._tag, "Failure", `statement ${at}`)
                  yield* changed(cluster, null)
                  assert.deepStrictEqual(yield* look(cluster), whole.catalog, `statement ${at}`)
                  assert.strictEqual(cluster.overrides.at(-1), "")
                })
              )
            }
          }),
        900_000
      )
    }
  })
}

/**
 * The recorded cases: the catalog has to come out the same, on every version of Postgres at hand.
 */
import * as fs from "node:fs"
import { assert, layer } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { messages, paragraph } from "../../src/domain/observe/ErrorChain.ts"
import { startConcurrency } from "../../src/domain/spec/Concurrency.ts"
import { Catalog } from "../../src/layers/catalog/Catalog.ts"
import { statementsVersion } from "../rig/postgres.ts"
import { look, type SpecParts, specOf, startCluster, type Template, template, versions } from "./cluster.ts"

interface Recorded {
  readonly case: ReadonlyArray<
    SpecParts & { readonly after?: ReadonlyArray<readonly [string, string]>; readonly fails?: boolean }
  >
  readonly result: ReadonlyArray<{
    readonly status: number | "failed"
    readonly error?: string
    readonly catalog?: Readonly<Record<string, unknown>>
  }>
}

const folder = new URL("../golden/catalog/", import.meta.url)
const cases = fs.readdirSync(folder).map((name) => ({
  name,
  ...(JSON.parse(fs.readFileSync(new URL(name, folder), "utf8")) as Recorded)
}))

type Catalogued = Readonly<Record<string, unknown>>

/** Before 15 the schema belongs to who owns the database, and everybody may create in it. */
const openedPublic = (catalog: Catalogued, owners: Map<string, string>): Catalogued => {
  for (const line of String(catalog["databases"]).split("\n")) {
    const [name = "", owner = ""] = line.split("|")
    // A database that gets another owner later keeps its schema's.
    if (!owners.has(`db ${name}`)) owners.set(`db ${name}`, owner)
  }
  return Object.fromEntries(
    Object.entries(catalog).map(([name, value]) => {
      const owner = owners.get(name)
      if (owner === undefined) return [name, value]
      const text = JSON.stringify(value)
        .replaceAll(",=U/pg_database_owner", ",=UC/pg_database_owner")
        .replaceAll(",web_access=C/pg_database_owner", "")
        .replaceAll("pg_database_owner", owner)
      return [name, JSON.parse(text)]
    })
  )
}

/** Recorded on 15; what other versions show for the same thing. */
const asOn = (major: number, owners: Map<string, string>, catalog: Catalogued = {}): unknown => {
  const text = JSON.stringify(major < 15 ? openedPublic(catalog, owners) : catalog).replaceAll(
    "pg_stat_statements|1.10|",
    `pg_stat_statements|${statementsVersion(major)}|`
  )
  if (major < 16) return JSON.parse(text)
  return JSON.parse(
    text
      .replaceAll("a*r*w*d*D*x*t*/", major >= 17 ? "a*r*w*d*D*x*t*m*/" : "a*r*w*d*D*x*t*/")
      .replaceAll(
        "pg_monitor|neon_superuser|t",
        "pg_create_subscription|neon_superuser|f\\npg_monitor|neon_superuser|t"
      )
  )
}

class From extends Context.Service<From, Template>()("test/Template") {}

for (const server of versions) {
  layer(Layer.effect(From, template(server)), { excludeTestServices: true })(`Postgres ${server.major}`, (it) => {
    for (const recorded of cases) {
      it.effect(recorded.name, () =>
        Effect.gen(function* () {
          const cluster = yield* startCluster(yield* From)
          const owners = new Map<string, string>()
          yield* Effect.gen(function* () {
            const catalog = yield* Catalog
            for (const [index, step] of recorded.case.entries()) {
              const spec = specOf(step)
              const phase = index === 0 ? "start" : "reconfigure"
              const applied = yield* Effect.result(
                catalog.apply(spec, { phase, concurrency: startConcurrency(spec.spec) })
              )
              const expected = recorded.result[index]
              if (expected?.status === "failed") {
                assert.strictEqual(applied._tag, "Failure")
                if (applied._tag === "Failure") {
                  assert.ok(paragraph(messages(applied.failure)).startsWith(expected.error ?? "?"))
                }
                continue
              }
              if (applied._tag === "Failure") assert.fail(applied.failure.message)
              if (index === 0) yield* catalog.migrate(spec)
              const found = yield* look(cluster)
              assert.deepStrictEqual(found, asOn(server.major, owners, expected?.catalog))
              for (const [database, statement] of step.after ?? []) yield* cluster.sql(database, statement)
            }
            assert.ok(["", undefined].includes(cluster.overrides.at(-1)))
          }).pipe(Effect.provide(cluster.layer()))
          // These are the original's databases, to the last privilege: another process, that has seen none of it, takes them
          // over as they are.
          const last = recorded.case.at(-1)
          const left = recorded.result.at(-1)?.catalog
          if (last === undefined || last.after !== undefined || left === undefined) return
          yield* Effect.gen(function* () {
            const catalog = yield* Catalog
            const spec = specOf(last)
            yield* catalog.apply(spec, { phase: "start", concurrency: startConcurrency(spec.spec) })
            yield* catalog.migrate(spec)
            assert.deepStrictEqual(yield* look(cluster), asOn(server.major, owners, left))
          }).pipe(Effect.provide(cluster.layer()))
        })
      )
    }
  })
}

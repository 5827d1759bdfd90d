/**
 * How long an apply takes on a real Postgres: from nothing, and again without changes, as a reconfiguration and as a start.
 *
 *     node bench/catalog.ts [--rounds N]
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { startConcurrency } from "../src/domain/spec/Concurrency.ts"
import type { ParsedSpec } from "../src/domain/spec/ParsedSpec.ts"
import { Catalog } from "../src/layers/catalog/Catalog.ts"
import { database, role, specOf, startCluster, template, versions } from "../test/postgres/cluster.ts"

const sizes = [
  { roles: 100, databases: 100 },
  { roles: 1000, databases: 10 }
]
const at = process.argv.indexOf("--rounds")
const rounds = at < 0 ? 3 : Number(process.argv[at + 1])

const specFor = ({ roles, databases }: (typeof sizes)[number]): ParsedSpec =>
  specOf({
    roles: Array.from({ length: roles }, (_, index) => role(`role_${index}`)),
    dbs: Array.from({ length: databases }, (_, index) => database(`db_${index}`, `role_${index}`)),
    settings: [{ name: "max_connections", value: "112", vartype: "integer" }]
  })

const millis = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.map(Effect.timed(effect), ([took]) => Math.round(Duration.toMillis(took) * 10) / 10)

const median = (values: ReadonlyArray<number>): number => values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0

const [server] = versions.filter(({ major }) => major === 15).concat(versions)
if (server === undefined) throw new Error("no Postgres found")

const round = (from: Effect.Success<ReturnType<typeof template>>, spec: ParsedSpec) =>
  Effect.gen(function* () {
    const cluster = yield* startCluster(from, { max_connections: "112", fsync: process.env["FSYNC"] ?? "off" })
    const apply = (phase: "start" | "reconfigure", concurrency: number) =>
      Effect.flatMap(Catalog, (catalog) => millis(catalog.apply(spec, { phase, concurrency })))
    const many = startConcurrency(spec.spec)
    const first = yield* Effect.gen(function* () {
      const fresh = yield* apply("start", many)
      const again = [yield* apply("reconfigure", 1), yield* apply("reconfigure", 1), yield* apply("reconfigure", 1)]
      return { fresh, again: median(again) }
    }).pipe(Effect.provide(cluster.layer()))
    // A process that knows nothing yet: every database is looked into.
    const restart = yield* Effect.provide(apply("start", many), cluster.layer())
    return { ...first, restart }
  }).pipe(Effect.scoped)

const bench = Effect.gen(function* () {
  const from = yield* template(server)
  for (const size of sizes) {
    const spec = specFor(size)
    const all: Array<Effect.Success<ReturnType<typeof round>>> = []
    for (let index = 0; index < rounds; index++) all.push(yield* round(from, spec))
    const of = (name: "fresh" | "again" | "restart") => `${name} ${median(all.map((one) => one[name]))} ms`
    console.log(`${size.roles} roles, ${size.databases} databases: ${of("fresh")}, ${of("again")}, ${of("restart")}`)
  }
}).pipe(Effect.scoped)

await Effect.runPromise(bench)

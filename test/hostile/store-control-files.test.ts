/**
 * A control file that Postgres cannot parse, among those of other extensions.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { database, role } from "../domain/catalog/parts.ts"
import { startCompute } from "../rig/compute.ts"
import { startEmulator } from "../rig/emulator.ts"

const folderOf = (directory: string): string => {
  const found = fs
    .readdirSync(path.join(directory, "real"), { recursive: true, encoding: "utf8" })
    .find((name) => name.endsWith("extension/neon.control"))
  return path.join(directory, "real", path.dirname(found ?? ""))
}

it.live("stops neither an apply nor an installation", () =>
  Effect.gen(function* () {
    const emulator = yield* startEmulator()
    const folder = folderOf(emulator.addresses.dir)
    fs.writeFileSync(path.join(folder, "aaa.control"), "default_version == 'not parsable\n")
    const one = (name: string, control: string) => {
      fs.writeFileSync(path.join(folder, `${name}.control`), `default_version = '1.0'\n${control}`)
      fs.writeFileSync(
        path.join(folder, `${name}--1.0.sql`),
        `create function ${name}_answer() returns int language sql as 'select 42';\n`
      )
    }
    one("anywhere", "relocatable = false\n")
    one("fixed", "schema = 'fixed_place'\n")
    one("later", "relocatable = false\n")
    fs.writeFileSync(path.join(folder, "later--1.0.control"), "schema = 'later_place'\n")
    const compute = yield* startCompute({
      emulator,
      spec: { cluster: { roles: [role("owner")], databases: [database("app", "owner")] } }
    })
    yield* compute.waitFor("running")
    for (const extension of ["anywhere", "fixed", "later"]) {
      const body = { extension, database: "app", version: "1.0" }
      const answer = yield* compute.http({ method: "POST", path: "/extensions", server: "internal", body })
      assert.strictEqual(answer.status, 201, answer.body)
    }
    const places =
      "select extname || ':' || extnamespace::regnamespace from pg_extension where extname in ('anywhere', 'fixed', 'later') order by 1"
    assert.strictEqual(
      yield* compute.sql(places, { database: "app" }),
      "anywhere:public\nfixed:fixed_place\nlater:later_place"
    )
    // The server itself stumbles over it.
    const broken = yield* Effect.flip(compute.sql("select 1 from pg_available_extensions()"))
    assert.match(broken.message, /syntax error/)
  })
)

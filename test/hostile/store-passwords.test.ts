/**
 * A role's password that is no verifier: Postgres would take it for a password in clear.
 */
import { assert, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { role } from "../domain/catalog/parts.ts"
import { startCompute } from "../rig/compute.ts"
import { startEmulator } from "../rig/emulator.ts"
import { merge } from "../rig/spec.ts"

const HASH = "0123456789abcdef0123456789abcdef"
const clear = "hunter2-in-clear"

it.live("refuses only the role, names it, and shows its password nowhere", () =>
  Effect.gen(function* () {
    const emulator = yield* startEmulator()
    const compute = yield* startCompute({ emulator, spec: { cluster: { roles: [role("empty", "")] } } })
    yield* compute.waitFor("running")
    const refused = yield* compute.configure(
      merge(compute.spec, {
        cluster: {
          roles: [role("bad", clear), role("empty", clear), role("big", HASH.toUpperCase()), role("good", HASH)]
        }
      })
    )
    assert.strictEqual(refused.status, 500)
    assert.match(refused.body, /role \\+"bad\\+": encrypted_password is no password verifier/)
    const apply = yield* compute.http({ path: "/apply" })
    assert.match(apply.body, /role \\"bad\\": encrypted_password is no password verifier/)
    const roles =
      "select rolname, rolpassword from pg_authid where rolname in ('bad', 'big', 'empty', 'good') order by 1"
    assert.strictEqual(yield* compute.sql(roles), `big|md5${HASH}\nempty|\ngood|md5${HASH}`)
    for (const text of [refused.body, apply.body, compute.log()]) assert.notInclude(text, clear)
  })
)

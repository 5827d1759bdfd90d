/**
 * Event triggers of others while we act in somebody's name. The extension of Neon lets tenants have them and has a switch of
 * its own; here a superuser makes one, and what it is told of the switch counts.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { database, role } from "../domain/catalog/parts.ts"
import { startCompute } from "../rig/compute.ts"
import { startEmulator } from "../rig/emulator.ts"
import { servers } from "../rig/postgres.ts"
import { merge, setting } from "../rig/spec.ts"

const LIMIT = 300_000

const TRIGGER = `
  create function public.tell() returns event_trigger language plpgsql as $$
  begin raise log 'told: % by % switch %', tg_tag, current_user, current_setting('neon.event_triggers'); end $$;
  create event trigger tell on ddl_command_start execute function public.tell()`

/** A giver who owns nothing: only in its own name can be taken back what it gave. */
const GRANTS = `
  create table public.t (id int); grant select on public.t to lender with grant option;
  set role lender; grant select on public.t to doomed; reset role`

describe.each(servers)("event triggers on %s", (pgbin) => {
  it.live(
    "are not called while a doomed role's grants are taken back in the giver's name",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startEmulator({ pgbin })
        const spec = { cluster: { roles: [role("owner")], databases: [database("app", "owner")] } }
        const settings = [setting("neon.event_triggers", "on", "bool")]
        const compute = yield* startCompute({ emulator, spec, settings })
        yield* compute.waitFor("running")
        yield* compute.sql("create role lender; create role doomed")
        yield* compute.sql(`${GRANTS}; ${TRIGGER}`, { database: "app" })
        yield* compute.sql("create table public.other ()", { database: "app" })
        yield* compute.waitForLog("told: CREATE TABLE by cloud_admin switch on")
        const delta_operations = [{ action: "delete_role", name: "doomed" }]
        const answer = yield* compute.configure(merge(compute.spec, { delta_operations }))
        assert.strictEqual(answer.status, 200, answer.body)
        // Told in order: whatever came before this has been written.
        yield* compute.sql("create table public.last ()", { database: "app" })
        yield* compute.waitForLog(/told: CREATE TABLE[^\n]*[\s\S]*told: CREATE TABLE/)
        const said = compute.log().match(/told: REVOKE by \w+ switch \w+/g) ?? []
        const major = Number.parseInt(yield* compute.sql("show server_version"), 10)
        assert.deepStrictEqual(said, major >= 17 ? [] : ["told: REVOKE by lender switch off"])
      }),
    LIMIT
  )
})

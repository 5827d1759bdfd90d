/**
 * The console in a real browser, on the built program. Needs Chromium; elsewhere it is skipped.
 *
 * With `SCREENSHOTS` set to a folder, the pictures of the documentation are made there.
 */
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { BrowserContextOptions } from "playwright-core"
import { causes, lasting, places, size } from "../../packages/console/src/words.ts"
import { paragraph } from "../../src/domain/observe/ErrorChain.ts"
import { edges, isTerminating } from "../../src/domain/status/ComputeStatus.ts"
import { type Compute, startCompute } from "../rig/compute.ts"
import { startEmulator, startFakeEmulator } from "../rig/emulator.ts"
import { adminToken, sign } from "../rig/tokens.ts"
import { blank, confirm, isMissing, type Seen, WAIT } from "./browser.ts"

const shots = process.env["SCREENSHOTS"]
const LIMIT = 300_000

const open = (compute: Compute, options: BrowserContextOptions = {}) =>
  Effect.tap(blank(options), ({ page }) =>
    Effect.promise(() => page.goto(`http://127.0.0.1:${compute.ports.external}/console`))
  )

const enter = ({ page }: Seen, token: string) =>
  Effect.promise(async () => {
    await page.getByLabel("Token of the API").fill(token)
    await page.getByRole("button", { name: "Look" }).click()
  })

const shows = ({ page }: Seen, text: string | RegExp) =>
  Effect.promise(() => page.getByText(text).first().waitFor({ timeout: WAIT }))

/** The state that the page marks as the present one. */
const isAt = ({ page }: Seen, status: string) =>
  Effect.promise(() => page.locator("[aria-current=step]", { hasText: status }).waitFor())

/** The window, the whole page, or one room of it. */
const shot = ({ page }: Seen, name: string, of: "window" | "page" | "Actions" = "window") => {
  if (shots === undefined) return Effect.void
  const file = path.join(shots, `console-${name}.png`)
  return Effect.promise(() =>
    of === "Actions"
      ? page.getByRole("region", { name: of }).screenshot({ path: file })
      : page.screenshot({ path: file, fullPage: of === "page" })
  )
}

describe.skipIf(isMissing)("the console (needs Chromium)", () => {
  it.live(
    "shows a start, plans and makes a reconfiguration, acts, and ends the compute",
    () =>
      Effect.gen(function* () {
        const compute = yield* startCompute({ emulator: yield* startEmulator() })
        yield* compute.waitFor("running")
        const seen = yield* open(compute, { viewport: { width: 1280, height: 1400 } })
        const { page } = seen
        yield* shows(seen, "Token of the API")
        assert.deepStrictEqual(
          seen.asked.filter((request) => request !== "GET /console"),
          []
        )
        yield* enter(seen, `Bearer ${adminToken()}`)
        yield* shows(seen, /From the spec to running in/)
        yield* isAt(seen, "running")
        yield* shows(seen, /Applied at a start/)
        yield* shows(seen, "All that was configured is in force.")
        yield* shows(seen, "Memory of the supervisor")
        yield* shows(seen, /flushed, WAL timeline 1/)
        yield* Effect.promise(() => page.getByText(/^In force, \d+ settings/).click())
        yield* Effect.promise(() => page.getByRole("region", { name: "Settings" }).getByText("fsync").waitFor())
        yield* shows(seen, "live")
        yield* shot(seen, "running", "page")

        const cluster = compute.spec["cluster"]
        const spec = {
          ...compute.spec,
          made_up: 1,
          cluster: {
            ...cluster,
            roles: [...cluster.roles, { name: "from_console" }],
            settings: [
              ...cluster.settings.filter(({ name }: { readonly name: string }) => name !== "max_connections"),
              { name: "max_connections", value: "120", vartype: "integer" },
              { name: "work_mem", value: "9MB", vartype: "string" }
            ]
          }
        }
        const field = page.getByLabel("Spec, as JSON")
        const ask = page.getByRole("button", { name: "Show what it would change" })
        yield* Effect.promise(async () => {
          await page.getByText("Reconfigure from a spec").click()
          const faulty = { ...spec, mode: "Sideways", cluster: { ...spec.cluster, roles: [{ name: 7 }] } }
          await field.fill(JSON.stringify(faulty, null, 2))
          await ask.click()
        })
        yield* shows(seen, "2 faults in the way")
        yield* Effect.promise(() => page.locator("mark", { hasText: "spec.cluster.roles[0].name" }).waitFor())
        yield* Effect.promise(() => page.locator("mark", { hasText: "spec.mode" }).waitFor())
        yield* Effect.promise(async () => {
          await field.fill("{")
          await ask.click()
        })
        yield* shows(seen, /This is not JSON/)
        yield* Effect.promise(async () => {
          await field.fill(JSON.stringify(spec, null, 2))
          await ask.click()
        })
        yield* shows(seen, "1 step in the catalog, 1 setting at once, 1 setting after the next restart of Postgres.")
        yield* shows(seen, 'role "from_console"')
        yield* Effect.promise(() => page.locator("mark", { hasText: "spec.made_up" }).waitFor())
        assert.strictEqual(yield* compute.sql("SELECT 1 FROM pg_roles WHERE rolname = 'from_console'"), "")
        yield* shot(seen, "plan", "Actions")
        const question = yield* Effect.promise(() => confirm(page, "Reconfigure"))
        assert.include(question, "1 setting after the next restart")
        yield* shows(seen, "The compute runs with this spec.")
        yield* shows(seen, /Applied at a reconfigure/)
        yield* shows(seen, "The last reconfigurations, the newest first")
        yield* shows(seen, "Waiting for a restart of Postgres")
        assert.strictEqual(yield* compute.sql("SELECT 1 FROM pg_roles WHERE rolname = 'from_console'"), "1")

        assert.include(yield* Effect.promise(() => confirm(page, "Refresh")), "the compute stops")
        yield* shows(seen, "The pageservers are the same: nothing was changed.")
        assert.include(yield* Effect.promise(() => confirm(page, "Prewarm")), "read from the pageserver")
        yield* shows(seen, "Begun; how far it is stands at the local file cache.")
        assert.include(yield* Effect.promise(() => confirm(page, "Offload")), "in place of what was stored before")
        yield* shows(seen, "Begun; what came of it stands at the local file cache.")
        for (const path of ["/refresh", "/lfc/prewarm", "/lfc/offload"]) assert.include(seen.asked, `POST ${path}`)

        // Somebody is at work: it stays.
        yield* Effect.forkChild(compute.sql("SELECT pg_sleep(300)", { user: "from_console" }))
        yield* Effect.promise(() => confirm(page, "Terminate", () => page.getByLabel(/Only if idle/).fill("3600")))
        yield* shows(seen, /the compute is in use: /)
        yield* Effect.promise(() =>
          confirm(page, "Terminate", async () => {
            await page.getByLabel(/Only if idle/).fill("")
            await page.getByLabel("Mode").selectOption("immediate")
          })
        )
        assert.strictEqual((yield* compute.ended).code, 0)
        yield* shows(seen, "The compute does not answer")
        yield* shows(seen, /It was terminated, and its process has ended/)
        assert.includeMembers(
          [...seen.asked],
          ["POST /terminate?mode=fast&if_idle=3600", "POST /terminate?mode=immediate"]
        )
        assert.deepStrictEqual(seen.complaints, [])
        // Never where others read it.
        assert.isEmpty(seen.asked.filter((request) => request.includes("eyJ")))
        assert.notInclude(page.url(), "eyJ")
      }),
    LIMIT
  )

  it.live(
    "says why a start failed, refuses a bad token, fits a telephone, and finds a server that is back",
    () =>
      Effect.gen(function* () {
        const emulator = yield* startFakeEmulator()
        emulator.world.faults = [{ peer: "pageserver", action: { do: "error", code: "28000", message: "bad token" } }]
        const first = yield* startCompute({ emulator, spec: { skip_pg_catalog_updates: true } })
        yield* first.waitFor("failed")
        const seen = yield* open(first, { viewport: { width: 360, height: 740 }, colorScheme: "dark" })
        const { page } = seen
        yield* enter(seen, "not.a.token")
        yield* shows(seen, /The token was not taken/)
        yield* enter(seen, sign({ compute_id: "compute-rig" }))
        yield* shows(seen, "Last error")
        yield* shows(seen, /bad token/)
        yield* isAt(seen, "failed")
        yield* shows(seen, "It has failed before it was running.")
        yield* shows(seen, "So far")
        const wide = yield* Effect.promise(() => page.evaluate("document.documentElement.scrollWidth"))
        assert.isAtMost(Number(wide), 360)
        yield* shot(seen, "failed")
        // A token for this compute alone looks at all of it, and asks no control plane.
        yield* Effect.promise(() => confirm(page, "Refresh"))
        yield* shows(seen, /missing scope compute_ctl:admin/)
        first.signal("SIGKILL")
        yield* first.ended
        yield* shows(seen, "The compute does not answer")
        yield* shows(seen, /What stands here is of \d/)
        const { dir, ports } = first
        const second = yield* startCompute({ emulator, dir, ports, spec: null })
        yield* second.waitFor("empty")
        yield* Effect.promise(() => page.getByText(/does not answer/).waitFor({ state: "hidden", timeout: WAIT }))
        yield* isAt(seen, "empty")
        // What happens now is told by the compute.
        yield* shows(seen, "It has not started yet.")
        emulator.world.faults = []
        const { body, status } = yield* second.configure({ ...second.spec, skip_pg_catalog_updates: true })
        assert.strictEqual(status, 200, body)
        yield* isAt(seen, "running")
        yield* shows(seen, /From the spec to running in/)
        assert.deepStrictEqual(seen.complaints, [])
      }),
    LIMIT
  )
})

describe("the page", () => {
  it.live("is served without a token, lets nothing run but its own, and has no token in it", () =>
    Effect.gen(function* () {
      const compute = yield* startCompute({ emulator: yield* startFakeEmulator(), spec: null })
      yield* compute.waitFor("empty")
      const { body, headers, status } = yield* compute.http({ path: "/console", token: null })
      assert.strictEqual(status, 200)
      assert.strictEqual(headers["content-type"], "text/html; charset=utf-8")
      assert.strictEqual(headers["x-content-type-options"], "nosniff")
      const policy = String(headers["content-security-policy"])
      for (const part of ["default-src 'none'", "base-uri 'none'", "frame-ancestors 'none'", "connect-src 'self'"]) {
        assert.include(policy, part)
      }
      assert.notMatch(policy, /unsafe/)
      // What the schema library weighs is not in it: of the program it takes the table of states alone.
      assert.isBelow(body.length, 100_000)
      assert.notMatch(body, /https?:\/\/(?!www\.w3\.org)/)
      const internal = yield* compute.http({ path: "/console", token: null, server: "internal" })
      assert.strictEqual(internal.status, 404)
    })
  )
})

describe("what the page reads and says", () => {
  it("rounds times and sizes", () => {
    assert.deepStrictEqual([5, 1500, 65_000, 3_720_000, 90_000_000].map(lasting), [
      "5 ms",
      "2 s",
      "1 min 5 s",
      "1 h 2 min",
      "1 d 1 h"
    ])
    assert.deepStrictEqual([0, 1023, 1536, 3 * 1024 ** 3].map(size), ["0 B", "1023 B", "1.5 KiB", "3.0 GiB"])
  })

  it("takes an error apart into its causes, in both forms, and leaves their texts whole", () => {
    assert.deepStrictEqual(causes("a: b"), ["a: b"])
    assert.deepStrictEqual(causes(paragraph(["a: b", "c: d"])), ["a: b", "c: d"])
    assert.deepStrictEqual(causes(paragraph(["a", "b\nc", "d: 1: e"])), ["a", "b\nc", "d: 1: e"])
  })

  it("finds places in a spec", () => {
    const found = (text: string) => places(text).flatMap(({ isPlace, text }) => (isPlace ? [text] : []))
    assert.deepStrictEqual(found("spec.cluster.roles[3].name: invalid type at spec.mode."), [
      "spec.cluster.roles[3].name",
      "spec.mode"
    ])
    assert.deepStrictEqual(found("the spec of a cluster. Nothing"), [])
    const text = "at cluster.settings[0], or so"
    assert.strictEqual(
      places(text)
        .map(({ text }) => text)
        .join(""),
      text
    )
  })

  it("draws the ways of termination once for all, since every state has them", () => {
    const states = new Set(edges.flatMap(({ from, to }) => [from, to]))
    for (const from of [...states].filter((status) => !isTerminating(status))) {
      const ends = edges.filter((edge) => edge.from === from && isTerminating(edge.to)).map(({ to }) => to)
      assert.sameMembers(ends, ["termination_pending_fast", "termination_pending_immediate"], from)
    }
  })
})

/**
 * The console in a real browser, on the built program. Needs Chromium (Debian's `chromium`); elsewhere it is skipped.
 *
 * With `SCREENSHOTS` set to a folder, the pictures of the documentation are made there.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type BrowserContext, chromium, type Page } from "playwright-core"
import { lasting, size } from "../../packages/console/src/words.ts"
import { type Compute, startCompute } from "../rig/compute.ts"
import { startEmulator, startFakeEmulator } from "../rig/emulator.ts"
import { adminToken } from "../rig/tokens.ts"

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find((file) => fs.existsSync(file))
const shots = process.env["SCREENSHOTS"]
const LIMIT = 300_000

const browser = Effect.acquireRelease(
  Effect.promise(() =>
    chromium.launch({
      ...(executablePath !== undefined && { executablePath }),
      args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    })
  ),
  (running) => Effect.promise(() => running.close())
)

interface Seen {
  readonly page: Page
  /** What the page asked for before anybody gave it a token. */
  readonly asked: ReadonlyArray<string>
  /** What the browser would not do, and what went wrong in the page. */
  readonly complaints: ReadonlyArray<string>
}

const open = (compute: Compute, options: Parameters<import("playwright-core").Browser["newContext"]>[0] = {}) =>
  Effect.gen(function* () {
    const running = yield* browser
    const context: BrowserContext = yield* Effect.promise(() => running.newContext(options))
    const page = yield* Effect.promise(() => context.newPage())
    const asked: Array<string> = []
    const complaints: Array<string> = []
    page.on("request", (request) => asked.push(new URL(request.url()).pathname))
    page.on("pageerror", (error) => complaints.push(error.message))
    page.on("console", (message) => {
      if (/Content Security Policy/.test(message.text())) complaints.push(message.text())
    })
    yield* Effect.promise(() => page.goto(`http://127.0.0.1:${compute.ports.external}/console`))
    return { page, asked, complaints } satisfies Seen
  })

const enter = ({ page }: Seen, token: string) =>
  Effect.promise(async () => {
    await page.getByLabel("Token of the API").fill(token)
    await page.getByRole("button", { name: "Look" }).click()
  })

const shows = ({ page }: Seen, text: string | RegExp) =>
  Effect.promise(() => page.getByText(text).first().waitFor({ timeout: 30_000 }))

const current = ({ page }: Seen) => page.locator("[aria-current=step]").textContent()

const shot = ({ page }: Seen, name: string) =>
  shots === undefined
    ? Effect.void
    : Effect.promise(() => page.screenshot({ path: path.join(shots, `console-${name}.png`), fullPage: true }))

describe.skipIf(executablePath === undefined)("the console (needs Chromium)", () => {
  it.live(
    "shows a start, plans and makes a reconfiguration, and ends the compute",
    () =>
      Effect.gen(function* () {
        const compute = yield* startCompute({ emulator: yield* startEmulator() })
        yield* compute.waitFor("running")
        const seen = yield* open(compute)
        yield* shows(seen, "Token of the API")
        assert.deepStrictEqual(
          seen.asked.filter((path) => path !== "/console"),
          []
        )
        yield* enter(seen, `Bearer ${adminToken()}`)
        yield* shows(seen, /From the spec to running in/)
        assert.include(yield* Effect.promise(() => current(seen)), "running")
        yield* shows(seen, /Apply of a start: done/)
        yield* shows(seen, "All that was configured is in force.")
        yield* shows(seen, /Memory of the supervisor/)
        yield* shot(seen, "running")

        const cluster = compute.spec["cluster"] as { readonly roles: ReadonlyArray<unknown> }
        const spec = { ...compute.spec, cluster: { ...cluster, roles: [...cluster.roles, { name: "from_console" }] } }
        yield* Effect.promise(async () => {
          await seen.page.getByText("Reconfigure from a spec").click()
          await seen.page.getByLabel("Spec, as JSON").fill(JSON.stringify(spec))
          await seen.page.getByRole("button", { name: "Show what it would change" }).click()
        })
        yield* shows(seen, /steps? would be taken/)
        yield* shows(seen, 'role "from_console"')
        assert.strictEqual(yield* compute.sql("SELECT 1 FROM pg_roles WHERE rolname = 'from_console'"), "")
        yield* shot(seen, "plan")
        yield* Effect.promise(async () => {
          await seen.page.getByRole("button", { name: "Reconfigure", exact: true }).click()
          await seen.page.getByRole("button", { name: "Yes, reconfigure" }).click()
        })
        yield* shows(seen, /Apply of a reconfigure: done/)
        yield* shows(seen, "Applies of the last reconfigurations")
        yield* Effect.promise(() => seen.page.getByText("Refresh", { exact: true }).click())
        yield* shows(seen, /curl -X POST \S+\/refresh_configuration/)
        assert.strictEqual(yield* compute.sql("SELECT 1 FROM pg_roles WHERE rolname = 'from_console'"), "1")

        yield* Effect.promise(async () => {
          await seen.page.getByRole("button", { name: "Terminate" }).click()
          await seen.page.getByLabel("Mode").selectOption("immediate")
          await seen.page.getByRole("button", { name: "Yes, terminate" }).click()
        })
        assert.strictEqual((yield* compute.ended).code, 0)
        yield* shows(seen, /The compute does not answer/)
        assert.deepStrictEqual(seen.complaints, [])
        // Never where others read it.
        assert.isEmpty(seen.asked.filter((path) => path.includes("eyJ")))
        assert.notInclude(seen.page.url(), "eyJ")
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
        yield* enter(seen, "not.a.token")
        yield* shows(seen, /The token was not taken/)
        yield* enter(seen, adminToken())
        yield* shows(seen, "Last error")
        yield* shows(seen, /bad token/)
        assert.include(yield* Effect.promise(() => current(seen)), "failed")
        const wide = yield* Effect.promise(() => seen.page.evaluate("document.documentElement.scrollWidth"))
        assert.isAtMost(Number(wide), 360)
        yield* shot(seen, "failed")
        first.signal("SIGKILL")
        yield* first.ended
        yield* shows(seen, /The compute does not answer/)
        const { dir, ports } = first
        const second = yield* startCompute({ emulator, dir, ports, spec: null })
        yield* second.waitFor("empty")
        yield* Effect.promise(() =>
          seen.page.getByText(/does not answer/).waitFor({ state: "hidden", timeout: 30_000 })
        )
        assert.include(yield* Effect.promise(() => current(seen)), "empty")
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
      assert.isBelow(body.length, 150_000)
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
})

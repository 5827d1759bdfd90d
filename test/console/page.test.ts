/**
 * The console with answers that no test would wait for: thousands of failures, long texts, actions that are refused or take
 * their time. In a real browser, without a compute.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { BrowserContextOptions, Page, Route } from "playwright-core"
import type { Known } from "../../packages/console/src/shapes.ts"
import { consolePage } from "../../scripts/console.mjs"
import { root } from "../rig/postgres.ts"
import { blank, confirm, isMissing, type Seen } from "./browser.ts"

const LIMIT = 120_000
const ORIGIN = "http://compute.test"

const ago = (seconds: number): string => new Date(Date.now() - 1000 * seconds).toISOString()

const LONG_NAME = `compute-${"winter-haze-".repeat(20)}end`
const LONG_ERROR = `failed to apply\n\nCaused by:\n    0: spec.cluster.roles[17].name: ${"no ".repeat(1400)}\n    1: db error: permission denied`

const detail: Known["detail"] = {
  start_time: ago(900),
  tenant: "b0554b632bd4d547a63b86c3630317e8",
  timeline: "1e8a3f1d2c4b5a69788796a5b4c3d2e1",
  status: "failed",
  last_active: null,
  error: LONG_ERROR,
  compute_id: LONG_NAME,
  now: ago(0),
  since: ago(600),
  postgres_runs: true,
  keys: [{ kid: "key-1", since: ago(900), counts: "always" }],
  waits: [
    { name: "basebackup", since: ago(40), deadline: ago(-20), detail: "try 3 of 11" },
    { name: "a lock", since: ago(70), deadline: ago(10), detail: null }
  ],
  services: [{ name: "monitor", state: "backing off", restarts: 41, last_error: "refused ".repeat(200) }],
  failed_databases: Array.from({ length: 1000 }, (_, index) => ({
    database: `tenant_${index}_${"n".repeat(index % 64)}`,
    object: 'schema "public"',
    error: `canceling statement due to lock timeout ${index}`
  })),
  refused_settings: [
    {
      name: "made_up",
      value: "x".repeat(300),
      file: "postgresql.conf",
      line: 3,
      reason: "unknown",
      waits_for_restart: false
    }
  ]
}

const step = {
  object: 'role "web"',
  reason: "missing",
  database: null,
  sql: 'CREATE ROLE "web"',
  state: "failed",
  duration_ms: 1,
  error: { sqlstate: "42501", message: "permission denied", detail: null, hint: "Ask somebody." },
  because: null,
  blocked_by: []
} as const

const failing = {
  "/status/detail": detail,
  "/apply": {
    trigger: "reconfigure",
    state: "failed",
    started_at: ago(610),
    duration_ms: 61_000,
    databases_visited: 1000,
    phases: [{ phase: "create and alter roles", state: "failed", duration_ms: 5, steps: Array(3000).fill(step) }],
    warnings: [],
    error: "permission denied"
  },
  "/activity": { active: null, active_since: null, last_active: null, checked_at: null, monitor: "down", reasons: [] },
  "/history": { version: 1, events: [] },
  "/lfc/prewarm": { status: "not_prewarmed" },
  "/lfc/offload": { status: "not_offloaded" },
  "/postgres": {
    version: "17.5",
    is_standby: false,
    lsn: "0/16B9188",
    wal_timeline: "1",
    mode: "primary",
    branch: null,
    endpoint: "ep-1",
    pending_restart: null,
    settings: [{ name: "shared_buffers", value: "128MB", source: "configuration file", file: "/a", line: 3 }],
    slots: [{ name: `slot_${"s".repeat(58)}`, kind: "logical", active: false, behind: 5000, wal: "lost" }],
    standbys: [{ name: "walproposer", state: "streaming", behind: 0 }],
    certificate_ends: "Jan  1 00:00:00 2027 GMT"
  },
  "/metrics.json": null
} satisfies Readonly<Record<string, unknown>>

type Answer = (route: Route) => Promise<void> | undefined

/** The page with its token there; what `answer` leaves, `failing` answers. */
const opened = (options: BrowserContextOptions, answer: Answer = () => undefined) =>
  Effect.gen(function* () {
    const { page: built } = yield* Effect.promise(() => consolePage(root))
    const seen = yield* blank(options)
    const answers: Readonly<Record<string, unknown>> = failing
    yield* Effect.promise(async () => {
      await seen.page.route(`${ORIGIN}/**`, (route) => {
        const { pathname } = new URL(route.request().url())
        if (pathname === "/console") {
          const headers = { "content-security-policy": built.policy }
          return route.fulfill({ contentType: "text/html", body: built.html, headers })
        }
        const json = answers[pathname]
        return answer(route) ?? route.fulfill(json === undefined ? { status: 404 } : { json })
      })
      await seen.page.goto(`${ORIGIN}/console#token=a.b.c`)
      await seen.page.getByRole("heading", { name: "Actions" }).waitFor()
    })
    return seen
  })

/** Texts that stand out too little from what is behind them, by the formula of WCAG 2. */
const FAINT = `(() => {
  const channels = (text) => text.match(/[\\d.]+/g).map(Number)
  const luminance = ([r, g, b]) => [r, g, b]
    .map((value) => value / 255)
    .map((value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0)
  const behind = (element) => {
    for (let at = element; at !== null; at = at.parentElement) {
      const color = channels(getComputedStyle(at).backgroundColor)
      if (color.length === 3 || color[3] > 0) return color
    }
    return [255, 255, 255]
  }
  const faint = []
  for (const element of document.querySelectorAll("body *")) {
    if (element.closest("svg, script, style, :disabled")) continue
    const text = [...element.childNodes].filter((node) => node.nodeType === 3).map((node) => node.textContent.trim()).join("")
    if (text === "" || element.getClientRects().length === 0) continue
    const [a, b] = [channels(getComputedStyle(element).color), behind(element)].map(luminance)
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)
    if (ratio < 4.5) faint.push(ratio.toFixed(2) + " " + text.slice(0, 40))
  }
  return faint
})()`

const width = ({ page }: Seen) => Effect.promise(() => page.evaluate<number>("document.documentElement.scrollWidth"))

const focused = (page: Page) =>
  page.evaluate<string>("(document.activeElement.textContent || document.activeElement.tagName).trim()")

/** By keys alone, as far as the button with these words. */
const tabTo = async (page: Page, words: string) => {
  for (let pressed = 0; pressed < 200; pressed++) {
    await page.keyboard.press("Tab")
    if ((await focused(page)) === words) return
  }
  assert.fail(`no way to ${words}`)
}

describe.skipIf(isMissing)("the console with hard answers (needs Chromium)", () => {
  it.live(
    "shows what there is while Postgres says nothing of itself, and the rest when it does",
    () =>
      Effect.gen(function* () {
        const asked = Promise.withResolvers<Route>()
        const { page } = yield* opened({}, (route) => {
          if (new URL(route.request().url()).pathname !== "/postgres") return undefined
          asked.resolve(route)
          return Promise.resolve()
        })
        const lsn = page.getByText("0/16B9188")
        yield* Effect.promise(async () => {
          await page.getByText("tenant_0_").first().waitFor()
          assert.strictEqual(await lsn.count(), 0)
          await (await asked.promise).fulfill({ json: failing["/postgres"] })
          await lsn.first().waitFor()
        })
      }),
    LIMIT
  )

  for (const colorScheme of ["light", "dark"] as const) {
    it.live(
      `is readable and stays within a telephone: ${colorScheme}`,
      () =>
        Effect.gen(function* () {
          const seen = yield* opened({ viewport: { width: 360, height: 740 }, colorScheme })
          assert.isAtMost(yield* width(seen), 360)
          assert.deepStrictEqual(yield* Effect.promise(() => seen.page.evaluate(FAINT)), [])
          yield* Effect.promise(() => seen.page.setViewportSize({ width: 1400, height: 900 }))
          assert.isAtMost(yield* width(seen), 1400)
          assert.deepStrictEqual(seen.complaints, [])
        }),
      LIMIT
    )
  }

  it.live(
    "shows the first of many and the beginning of what is long, and the rest when it is asked for",
    () =>
      Effect.gen(function* () {
        const { page } = yield* opened({})
        yield* Effect.promise(async () => {
          const error = page.getByRole("region", { name: "Last error" })
          await error.locator("mark", { hasText: "spec.cluster.roles[17].name" }).waitFor()
          await error.getByText("db error: permission denied").waitFor()
          assert.include(
            await error.textContent(),
            'At role "web", create and alter roles, SQLSTATE 42501. Hint: Ask somebody.'
          )
          const before = (await error.textContent())?.length ?? 0
          await error.getByRole("button", { name: /Show all 4,2\d\d characters/ }).click()
          assert.isAbove((await error.textContent())?.length ?? 0, before + 3000)
          const apply = page.getByRole("region", { name: "Roles and databases" })
          assert.isBelow(await apply.getByText("lock timeout").count(), 20)
          await apply.getByRole("button", { name: "Show 200 more of 995" }).click()
          assert.isAbove(await apply.getByText("lock timeout").count(), 200)
          const waits = page.getByRole("region", { name: "State" })
          await waits.getByText(/left$/).waitFor()
          await waits.getByText(/over its limit/).waitFor()
          await page.getByText("its WAL is lost").waitFor()
          await page.getByText("0/16B9188 flushed, WAL timeline 1").waitFor()
          await page.getByRole("link", { name: /1,000 failed/ }).click()
          assert.strictEqual(new URL(page.url()).hash, "#apply")
        })
      }),
    LIMIT
  )

  it.live(
    "is used by keys alone, and says what was refused",
    () =>
      Effect.gen(function* () {
        const refusal = "the compute is in use: 2 queries (active)"
        const { asked, page } = yield* opened({ reducedMotion: "reduce" }, (route) =>
          route.request().url().includes("/terminate")
            ? route.fulfill({ status: 409, json: { error: refusal } })
            : undefined
        )
        yield* Effect.promise(async () => {
          await tabTo(page, "Terminate")
          await page.keyboard.press("Enter")
          const question = page.getByRole("dialog", { name: "Terminate?" })
          await question.waitFor()
          assert.include((await question.textContent()) ?? "", "Sessions are cut off, Postgres stops")
          await page.keyboard.press("Escape")
          await page.locator("dialog").waitFor({ state: "detached" })
          assert.strictEqual(await focused(page), "Terminate")
          await page.keyboard.press("Enter")
          await question.waitFor()
          await page.getByLabel(/Only if idle/).focus()
          await page.keyboard.type("60")
          await tabTo(page, "Yes, terminate")
          await page.keyboard.press("Enter")
          await page.getByText(refusal).waitFor()
          assert.strictEqual(await focused(page), "Terminate")
        })
        assert.include(asked, "POST /terminate?mode=fast&if_idle=60")
      }),
    LIMIT
  )

  it.live(
    "shows that an action is under way, and how the cache is filled and stored",
    () =>
      Effect.gen(function* () {
        const state: { prewarm: object; offload: object } = {
          prewarm: { status: "not_prewarmed" },
          offload: { status: "not_offloaded" }
        }
        let answerPrewarm = () => {}
        const held = new Promise<void>((resolve) => {
          answerPrewarm = resolve
        })
        const { page } = yield* opened({}, (route) => {
          const { pathname, search } = new URL(route.request().url())
          const method = route.request().method()
          if (method === "DELETE") {
            state.prewarm = { status: "cancelled" }
            return route.fulfill({ status: 202 })
          }
          if (pathname === "/lfc/prewarm" && method === "POST") {
            if (search !== "?from_endpoint=ep-1") return route.fulfill({ status: 400, body: "another query" })
            state.prewarm = { status: "prewarming" }
            return held.then(() => route.fulfill({ status: 202 }))
          }
          if (pathname === "/lfc/prewarm") return route.fulfill({ json: state.prewarm })
          if (pathname === "/lfc/offload" && method === "POST") {
            state.offload = { status: "failed", error: "endpoint storage answered 503" }
            return route.fulfill({ status: 202 })
          }
          return pathname === "/lfc/offload" ? route.fulfill({ json: state.offload }) : undefined
        })
        yield* Effect.promise(async () => {
          const cache = page.getByRole("region", { name: "Local file cache" })
          await confirm(page, "Prewarm", () => page.getByLabel(/State of another endpoint/).fill("ep-1"))
          await page.getByRole("button", { name: "Under way" }).waitFor()
          answerPrewarm()
          await page.getByText("Begun; how far it is").waitFor()
          await cache.getByRole("progressbar", { name: "Prewarm under way" }).waitFor()
          await page.getByRole("button", { name: "Cancel it" }).click()
          await cache.getByText("cancelled").waitFor()
          await confirm(page, "Offload")
          await cache.getByText("endpoint storage answered 503").waitFor()
        })
      }),
    LIMIT
  )
})

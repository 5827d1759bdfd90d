/**
 * Chromium, as Debian has it (`chromium`). Where there is none, what needs it is skipped.
 */
import * as fs from "node:fs"
import * as Effect from "effect/Effect"
import { type BrowserContextOptions, chromium, type Page } from "playwright-core"

const executablePath = ["/usr/bin/chromium", "/usr/bin/chromium-browser"].find((file) => fs.existsSync(file))

export const isMissing = executablePath === undefined
if (isMissing) console.warn("skipped: what needs Chromium, which is not installed (Debian's package `chromium`)")

/** The machine may be busy. */
export const WAIT = 30_000

const browser = Effect.acquireRelease(
  Effect.promise(() =>
    chromium.launch({
      ...(executablePath !== undefined && { executablePath }),
      args: ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    })
  ),
  (running) => Effect.promise(() => running.close())
)

export interface Seen {
  readonly page: Page
  /** Method and path of what the page has asked for. */
  readonly asked: ReadonlyArray<string>
  /** What the browser would not do, and what went wrong in the page. */
  readonly complaints: ReadonlyArray<string>
}

/** An empty page in a browser of its own. */
export const blank = (options: BrowserContextOptions = {}) =>
  Effect.gen(function* () {
    const running = yield* browser
    const page = yield* Effect.promise(() => running.newContext(options).then((context) => context.newPage()))
    page.setDefaultTimeout(WAIT)
    const asked: Array<string> = []
    const complaints: Array<string> = []
    page.on("request", (request) => {
      const { pathname, search } = new URL(request.url())
      asked.push(`${request.method()} ${pathname}${search}`)
    })
    page.on("pageerror", (error) => complaints.push(error.message))
    page.on("console", (message) => {
      if (/Content Security Policy/.test(message.text())) complaints.push(message.text())
    })
    return { page, asked, complaints } satisfies Seen
  })

/** An action, asked for and confirmed; succeeds with the words of the question. */
export const confirm = async (page: Page, name: string, choose: () => Promise<unknown> = async () => {}) => {
  await page.getByRole("button", { name, exact: true }).click()
  const question = page.getByRole("dialog", { name: `${name}?` })
  await question.waitFor()
  const words = (await question.textContent()) ?? ""
  await choose()
  await question.getByRole("button", { name: `Yes, ${name.toLowerCase()}` }).click()
  return words
}

/** The image of this checkout: IMAGE names one that was built already, else the Dockerfile is built. */
import * as fs from "node:fs"
import { tmpdir } from "node:os"
import * as path from "node:path"
import { basesOf } from "./bases.ts"
import { build, hasEngine } from "./engine.ts"

export const root = path.resolve(import.meta.dirname, "../..")
export const dockerfile = fs.readFileSync(path.join(root, "Dockerfile"), "utf8")

const isAsked = process.env["TEST_IMAGE"] !== undefined
if (isAsked && !hasEngine) console.warn("skipped: neither podman nor docker answers, no image is built")
export const isWanted = isAsked && hasEngine

export const image = process.env["IMAGE"] ?? "compute_ctl:test"

/** The second stage alone, with the executable of `dist` in the place of what the first would build. */
const withoutBuild = (text: string) =>
  text
    .replace(/^FROM node:[\s\S]*?(?=^# -{20,}$)/m, "")
    .replace("COPY --from=build --chmod=0755 /src/dist/compute_ctl ", "COPY --chmod=0755 compute_ctl ")

/**
 * Builds the Dockerfile's image.
 * @param values its arguments
 * @param short with the executable that is there: a minute instead of five
 */
export const built = async (name: string, values: Readonly<Record<string, string>>, short = false) => {
  const file = short ? withoutBuild(dockerfile) : dockerfile
  await basesOf(file, values)
  const given = Object.entries(values).flatMap(([key, value]) => ["--build-arg", `${key}=${value}`])
  if (!short) return await build(name, root, ...given)
  const context = fs.mkdtempSync(path.join(tmpdir(), "context-"))
  try {
    fs.writeFileSync(path.join(context, "Dockerfile"), file)
    fs.copyFileSync(path.join(root, "dist/compute_ctl"), path.join(context, "compute_ctl"))
    await build(name, context, ...given)
  } finally {
    fs.rmSync(context, { recursive: true })
  }
}

/** Files share one build: the second finds the layers of the first. */
export const ensureImage = async () => {
  if (process.env["IMAGE"] === undefined) await built(image, { DEBIAN: "12.11", POSTGRES_MAJOR: "15" })
}

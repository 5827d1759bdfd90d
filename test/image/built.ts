/** The image of this checkout: IMAGE names one that was built already, else the Dockerfile is built. */
import * as fs from "node:fs"
import * as path from "node:path"
import { basesOf } from "./bases.ts"
import { build, hasEngine } from "./engine.ts"

export const root = path.resolve(import.meta.dirname, "../..")
export const dockerfile = fs.readFileSync(path.join(root, "Dockerfile"), "utf8")

const isAsked = process.env["TEST_IMAGE"] !== undefined
if (isAsked && !hasEngine) console.warn("skipped: neither podman nor docker answers, no image is built")
export const isWanted = isAsked && hasEngine

export const image = process.env["IMAGE"] ?? "compute_ctl:test"

export const built = async (name: string, values: Readonly<Record<string, string>>) => {
  await basesOf(dockerfile, values)
  await build(name, root, ...Object.entries(values).flatMap(([key, value]) => ["--build-arg", `${key}=${value}`]))
}

/** Files share one build: the second finds the layers of the first. */
export const ensureImage = async () => {
  if (process.env["IMAGE"] === undefined) await built(image, { DEBIAN: "12.11", POSTGRES_MAJOR: "15" })
}

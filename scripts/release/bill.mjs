// The bill of materials as npm writes it (CycloneDX), of what is inside of the executable and nothing else, and the same
// whenever it is written.
import { createHash } from "node:crypto"

const PACKAGE = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)\//

/**
 * The packages of bundles, by their metafiles, and the one of the runtime.
 * @param {ReadonlyArray<{ readonly inputs: object }>} metafiles
 * @param {string} runtime
 */
export const insideOf = (metafiles, runtime) => {
  const names = metafiles.flatMap(({ inputs }) => Object.keys(inputs).flatMap((file) => PACKAGE.exec(file)?.[1] ?? []))
  return [...new Set([...names, runtime])].toSorted()
}

const uuidOf = (text) => {
  const digits = createHash("sha256").update(text).digest("hex")
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    `5${digits.slice(13, 16)}`,
    `8${digits.slice(17, 20)}`,
    digits.slice(20, 32)
  ].join("-")
}

/**
 * @param {any} bill npm's
 * @param {ReadonlyArray<string>} inside
 * @param {{ readonly seconds: number, readonly executable: string }} facts of the last commit, since the epoch; the SHA-256
 */
export const billOf = (bill, inside, { executable, seconds }) => {
  const components = bill.components
    .filter(({ name }) => inside.includes(name))
    .map((component) => ({ ...component, scope: "required" }))
    .toSorted((a, b) => (a["bom-ref"] < b["bom-ref"] ? -1 : 1))
  const missing = inside.filter((name) => !components.some((component) => component.name === name))
  if (missing.length > 0) throw new Error(`not in the lock file: ${missing.join(", ")}`)
  const known = new Set([...components.map((component) => component["bom-ref"]), bill.metadata.component["bom-ref"]])
  const dependencies = bill.dependencies
    .filter(({ ref }) => known.has(ref))
    .map((entry) => ({ ...entry, dependsOn: (entry.dependsOn ?? []).filter((ref) => known.has(ref)) }))
  const component = {
    ...bill.metadata.component,
    type: "application",
    name: "compute_ctl",
    hashes: [{ alg: "SHA-256", content: executable }]
  }
  const timestamp = new Date(seconds * 1000).toISOString()
  const metadata = { ...bill.metadata, timestamp, lifecycles: [{ phase: "build" }], component }
  const whole = { ...bill, metadata, components, dependencies }
  return { ...whole, serialNumber: `urn:uuid:${uuidOf(JSON.stringify({ ...whole, serialNumber: "" }))}` }
}

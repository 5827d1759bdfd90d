// The bill of materials as npm writes it (CycloneDX), of what is inside of the executable and nothing else, and the same
// whenever it is written.
import { createHash } from "node:crypto"

/** The innermost: a package may have another version of its own. */
const PACKAGE = /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/

/**
 * The folders of the packages that bundles are made of, by their metafiles, and of the one of the runtime.
 * @param {ReadonlyArray<{ readonly inputs: object }>} metafiles
 * @param {string} runtime
 */
export const insideOf = (metafiles, runtime) => {
  const folders = metafiles.flatMap(({ inputs }) =>
    Object.keys(inputs).flatMap((file) => PACKAGE.exec(file)?.[0] ?? [])
  )
  return [...new Set([...folders, `node_modules/${runtime}`])].toSorted()
}

const APACHE = "Apache-2.0"

/**
 * The licence of a package for the list of all, with its text.
 * @param {{ readonly name: string, readonly version: string, readonly license?: string }} one
 * @param {string | null} text what the package says; null when it has no such file
 */
export const licenceOf = ({ license, name, version }, text) => {
  if (text === null && license !== APACHE) throw new Error(`${name} ${version} has no text of its licence (${license})`)
  const line = "=".repeat(100)
  return `${line}\n${name} ${version}\n${line}\n${text ?? `${APACHE}: the text is that of the file LICENSE beside this one.\n`}`
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
 * @param {ReadonlyArray<{ readonly name: string, readonly version: string }>} inside
 * @param {{ readonly seconds: number, readonly executable: string }} facts of the last commit, since the epoch; the SHA-256
 */
export const billOf = (bill, inside, { executable, seconds }) => {
  const isOf = (component) => (one) => component.name === one.name && component.version === one.version
  const components = bill.components
    .filter((component) => inside.some(isOf(component)))
    .map((component) => ({ ...component, scope: "required" }))
    .toSorted((a, b) => (a["bom-ref"] < b["bom-ref"] ? -1 : 1))
  const missing = inside.filter((one) => !components.some((component) => isOf(component)(one)))
  if (missing.length > 0) throw new Error(`not in the lock file: ${missing.map(({ name }) => name).join(", ")}`)
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

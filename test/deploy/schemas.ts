/** What an API server would say of a manifest's members, and a compose of its files', by the schemas that are vendored here. */
import * as fs from "node:fs"
import * as path from "node:path"
import { Ajv, type ValidateFunction } from "ajv"

interface Kind {
  readonly properties?: Readonly<Record<string, { readonly enum?: ReadonlyArray<string> }>>
}

const ajv = new Ajv({ allErrors: true, strict: true, strictTypes: false })
const kinds = new Map<string, ValidateFunction>()

const read = (file: string) => JSON.parse(fs.readFileSync(path.join(import.meta.dirname, "schemas", file), "utf8"))

const sources = ["kubernetes-1.33.json", "prometheus-operator-0.93.json"].map(read)
for (const source of sources) ajv.addSchema(source)
for (const { $defs, $id } of sources) {
  for (const [name, { properties }] of Object.entries<Kind>($defs)) {
    const [version, kind] = [properties?.["apiVersion"]?.enum?.[0], properties?.["kind"]?.enum?.[0]]
    if (version === undefined || kind === undefined) continue
    kinds.set(`${version} ${kind}`, ajv.compile({ $ref: `${$id}#/$defs/${name}` }))
  }
}

const told = ({ errors }: ValidateFunction): ReadonlyArray<string> =>
  (errors ?? []).map(
    ({ instancePath, message, params }) =>
      `${instancePath}: ${message}${"additionalProperty" in params ? ` (${params["additionalProperty"]})` : ""}`
  )

/** Faults with their places; none when the manifest is right. */
export const faults = (manifest: { readonly apiVersion?: unknown; readonly kind?: unknown }): ReadonlyArray<string> => {
  const named = `${manifest.apiVersion} ${manifest.kind}`
  const validate = kinds.get(named)
  if (validate === undefined) return [`no kind ${named} is known`]
  validate(manifest)
  return told(validate)
}

const compose = ajv.compile(read("compose.json"))

/** Of a compose file, whose variables may be unfilled where a text may stand. */
export const composeFaults = (document: unknown): ReadonlyArray<string> => {
  compose(document)
  return told(compose)
}

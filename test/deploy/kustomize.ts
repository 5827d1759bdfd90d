/**
 * `kubectl kustomize`, as far as the manifests of this project go: resources, components, strategic merges, a suffix of names,
 * generated secrets, tags of images. Members of a kustomization that it does not know it refuses. Where a `kubectl` is
 * installed, a test compares the two.
 */
import * as fs from "node:fs"
import * as path from "node:path"
import { parse, parseAllDocuments } from "yaml"

export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly [member: string]: unknown }
  readonly [member: string]: unknown
}

export interface Kustomization {
  readonly apiVersion: string
  readonly kind: string
  readonly resources?: ReadonlyArray<string>
  readonly components?: ReadonlyArray<string>
  readonly patches?: ReadonlyArray<{ readonly path: string }>
  readonly nameSuffix?: string
  readonly secretGenerator?: ReadonlyArray<{ readonly name: string; readonly files: ReadonlyArray<string> }>
  readonly images?: ReadonlyArray<{ readonly name: string; readonly newTag: string }>
}
const known = new Set("apiVersion kind resources components patches nameSuffix secretGenerator images".split(" "))

/** What the name of a generated secret ends with: kustomize takes a hash of its content. */
export const HASH = "-0000000000"

/** By what an item of a list is known (`x-kubernetes-patch-merge-key`); lists of other names are replaced as a whole. */
const mergeKeys: Readonly<Record<string, string>> = {
  containers: "name",
  env: "name",
  volumes: "name",
  volumeMounts: "mountPath",
  ports: "containerPort",
  topologySpreadConstraints: "topologyKey"
}

type Json = unknown
const isObject = (value: Json): value is Readonly<Record<string, Json>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const mergeLists = (base: ReadonlyArray<Json>, patch: ReadonlyArray<Json>, key: string): ReadonlyArray<Json> => {
  const keyOf = (item: Json) => (isObject(item) ? item[key] : undefined)
  const merged = base.map((item) => {
    const other = patch.find((one) => keyOf(one) === keyOf(item))
    return other === undefined ? item : merge(item, other)
  })
  // What is new comes first.
  return [...patch.filter((one) => !base.some((item) => keyOf(item) === keyOf(one))), ...merged]
}

const merge = (base: Json, patch: Json, name = ""): Json => {
  if (Array.isArray(base) && Array.isArray(patch)) {
    const key = mergeKeys[name]
    return key === undefined ? patch : mergeLists(base, patch, key)
  }
  if (!isObject(patch)) return patch
  const { $patch, ...members } = patch
  if ($patch === "replace" || !isObject(base)) return members
  if ($patch !== undefined) throw new Error(`$patch: ${$patch} is not known`)
  const changed = Object.entries(members).map(([member, value]) => [member, merge(base[member], value, member)])
  return { ...base, ...Object.fromEntries(changed.filter(([, value]) => value !== null)) }
}

/** Every object of a document, whatever it is in. */
const mapObjects = (value: Json, change: (object: Readonly<Record<string, Json>>) => Json): Json => {
  if (Array.isArray(value)) return value.map((item) => mapObjects(item, change))
  if (!isObject(value)) return value
  return change(Object.fromEntries(Object.entries(value).map(([name, member]) => [name, mapObjects(member, change)])))
}

const isManifest = (value: Json): value is Manifest =>
  isObject(value) && typeof value["kind"] === "string" && isObject(value["metadata"])

const documents = (file: string): ReadonlyArray<Manifest> =>
  // As Kubernetes reads them: `0440` is octal.
  parseAllDocuments(fs.readFileSync(file, "utf8"), { version: "1.1" }).map((document) => {
    const [error] = document.errors
    if (error !== undefined) throw error
    const value: Json = document.toJS()
    if (!isManifest(value)) throw new Error(`${file}: no manifest`)
    return value
  })

const renamed = (manifests: ReadonlyArray<Manifest>, names: ReadonlyMap<string, string>): ReadonlyArray<Manifest> =>
  manifests.map((manifest) => {
    const name = names.get(`${manifest.kind} ${manifest.metadata.name}`) ?? manifest.metadata.name
    const changed = mapObjects({ ...manifest, metadata: { ...manifest.metadata, name } }, (object) => {
      const secret = typeof object["secretName"] === "string" ? names.get(`Secret ${object["secretName"]}`) : undefined
      return secret === undefined ? object : { ...object, secretName: secret }
    })
    if (!isManifest(changed)) throw new Error(`${name}: no manifest`)
    return changed
  })

/**
 * The manifests of a kustomization.
 * @param folder what its names are relative to
 * @param before what a component is put upon
 */
export const render = (
  folder: string,
  kustomization: Kustomization = parse(fs.readFileSync(path.join(folder, "kustomization.yaml"), "utf8")),
  before: ReadonlyArray<Manifest> = []
): ReadonlyArray<Manifest> => {
  for (const member of Object.keys(kustomization))
    if (!known.has(member)) throw new Error(`${folder}/kustomization.yaml: ${member} is not known`)
  const { components = [], images = [], nameSuffix = "", patches = [] } = kustomization
  const { resources = [], secretGenerator = [] } = kustomization
  let manifests: ReadonlyArray<Manifest> = [
    ...before,
    ...resources.flatMap((name) => {
      const at = path.join(folder, name)
      return fs.statSync(at).isDirectory() ? render(at) : documents(at)
    })
  ]
  for (const component of components) manifests = render(path.join(folder, component), undefined, manifests)
  for (const { path: file } of patches) {
    for (const patch of documents(path.join(folder, file))) {
      const isSame = ({ apiVersion, kind, metadata }: Manifest) =>
        apiVersion === patch.apiVersion && kind === patch.kind && metadata.name === patch.metadata.name
      if (!manifests.some(isSame)) throw new Error(`${file}: there is no ${patch.kind} ${patch.metadata.name} to patch`)
      manifests = manifests.map((manifest) => {
        const patched = isSame(manifest) ? merge(manifest, patch) : manifest
        if (!isManifest(patched)) throw new Error(`${file}: no manifest is left`)
        return patched
      })
    }
  }
  const secrets = secretGenerator.map(({ files, name }) => ({
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name },
    type: "Opaque",
    data: Object.fromEntries(
      files.map((entry): [string, string] => {
        const [key = "", file = key] = entry.split("=")
        return [key, fs.readFileSync(path.join(folder, file)).toString("base64")]
      })
    )
  }))
  const names = new Map<string, string>([
    ...manifests.map(({ kind, metadata: { name } }): [string, string] => [`${kind} ${name}`, `${name}${nameSuffix}`]),
    ...secrets.map(({ metadata: { name } }): [string, string] => [`Secret ${name}`, `${name}${nameSuffix}${HASH}`])
  ])
  const tagged = renamed([...manifests, ...secrets], names).map((manifest) =>
    mapObjects(manifest, (object) => {
      const image = images.find(({ name }) => name === object["image"])
      return image === undefined ? object : { ...object, image: `${image.name}:${image.newTag}` }
    })
  )
  return tagged.filter(isManifest)
}

/**
 * Where the store keeps an extension's archive: `<build tag>/<architecture>/v<major>/extensions/<extension>.tar.zst`.
 *
 * Source: `compute_tools/src/extension_server.rs`, `libs/compute_api/src/spec.rs`.
 */
import { withoutSlashes } from "../api/BaseUrl.ts"

/** The architecture as Go and Kubernetes call it, from Node's word for it. */
export const goArchitecture = (arch: string): string => (arch === "x64" ? "amd64" : arch)

export const archiveName = (extension: string): string => `${extension}.tar.zst`

export interface ExtensionStore {
  /** With or without slashes at its end. */
  readonly baseUrl: string
  readonly buildTag: string
  /** As the store calls it: `amd64`, `arm64`. */
  readonly architecture: string
  readonly major: number
}

/** A name is one segment of a path, whatever is in it. */
const segment = (name: string): string => encodeURIComponent(name).replaceAll("%2B", "+").replaceAll("%40", "@")

export const archiveUrl = (store: ExtensionStore, extension: string): string => {
  const { baseUrl, buildTag, architecture, major } = store
  return `${withoutSlashes(baseUrl)}/${buildTag}/${architecture}/v${major}/extensions/${segment(archiveName(extension))}`
}

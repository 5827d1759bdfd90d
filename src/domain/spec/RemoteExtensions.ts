/**
 * Which extension archives a compute may have, and where the store keeps them.
 *
 * Source: `libs/compute_api/src/spec.rs` (`RemoteExtSpec`), `compute_tools/src/extension_server.rs`.
 */
import * as Data from "effect/Data"
import * as Result from "effect/Result"
import { excerpt } from "../json/Excerpt.ts"
import { type ComputeSpec, findSetting, type RemoteExtensions } from "./ComputeSpec.ts"

/** Nothing of that name may be downloaded here. `message` is the text clients know. */
export class ExtensionUnknown extends Data.TaggedError("ExtensionUnknown")<{ readonly message: string }> {}

/** Own members only: a library called `constructor` is not in the index. */
const member = <A>(record: Readonly<Record<string, A>>, key: string): A | undefined =>
  Object.hasOwn(record, key) ? record[key] : undefined

/** The lists are the project's permission: what is in neither is refused, its data present or not. */
const isPermitted = (remote: RemoteExtensions, extension: string): boolean =>
  (remote.public_extensions ?? []).includes(extension) || (remote.custom_extensions ?? []).includes(extension)

/** A library's name without `.so` and any version behind it. */
const libraryStem = (name: string): string => name.replace(/\.so.*$/s, "")

/** The extension whose archive holds `name`, an extension or the file name of a library. */
export const resolve = (
  remote: RemoteExtensions,
  name: string,
  isLibrary: boolean
): Result.Result<string, ExtensionUnknown> => {
  const unknown = (message: string) => Result.fail(new ExtensionUnknown({ message }))
  const stem = isLibrary ? libraryStem(name) : name
  const extension = isLibrary ? member(remote.library_index, stem) : stem
  if (extension === undefined) return unknown(`library ${excerpt(stem)} is not found`)
  if (!isPermitted(remote, extension)) return unknown(`extension ${excerpt(extension)} is not found`)
  if (member(remote.extension_data, extension) === undefined)
    return unknown(`real_ext_name ${excerpt(extension)} is not found`)
  return Result.succeed(extension)
}

const BUILT_IN = ["neon", "databricks_auth"]
const SETTING = "shared_preload_libraries"

/** The value in the last line of a configuration text that sets the preload libraries in quotes. */
const inConf = (text: string | null): string => {
  const lines = (text ?? "").split("\n").filter((line) => line.startsWith(SETTING) && line.includes("='"))
  return lines.at(-1)?.split("=").slice(1).join("=") ?? ""
}

/** Libraries that Postgres loads at its start and that only the store has; each once. */
export const preloadLibraries = (spec: ComputeSpec): ReadonlyArray<string> => {
  const remote = spec.remote_extensions
  if (remote === null) return []
  const listed = [findSetting(spec.cluster.settings, SETTING) ?? "", inConf(spec.cluster.postgresql_conf)]
  const names = listed.flatMap((list) => list.split(/[,' \r]/))
  return [...new Set(names)].filter(
    (name) => name !== "" && !BUILT_IN.includes(name) && member(remote.library_index, name) !== undefined
  )
}

export interface ControlFile {
  readonly extension: string
  readonly name: string
  readonly text: string
}

/** The control files of all permitted extensions. */
export const controlFiles = (remote: RemoteExtensions): ReadonlyArray<ControlFile> => {
  const permitted = new Set([...(remote.public_extensions ?? []), ...(remote.custom_extensions ?? [])])
  return Object.entries(remote.extension_data)
    .filter(([extension]) => permitted.has(extension))
    .flatMap(([extension, { control_data }]) =>
      Object.entries(control_data).map(([name, text]) => ({ extension, name, text }))
    )
}

/** A name that stays inside the directory it is put in. */
export const isPlainName = (name: string): boolean =>
  name !== "" && name !== "." && name !== ".." && !name.includes("/") && !name.includes("\0")

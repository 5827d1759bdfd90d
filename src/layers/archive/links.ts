/**
 * Where the links of an archive lead. What stays inside its own tree is legal; nothing may lead out of it.
 */

/** Path below the target; null for one that would lead out of it, empty for the target itself. */
export const safePath = (name: string): string | null => {
  const parts = name.split("/").filter((part) => part !== "" && part !== ".")
  return parts.includes("..") || name.includes("\0") ? null : parts.join("/")
}

/**
 * Where a symbolic link at `path` (below the root, without dots) leads, below the root too; empty for the root itself,
 * null for what leads out of it. Steps upwards must come first: one behind a folder's name starts where that folder is,
 * which a link of that name decides.
 */
export const resolveLink = (path: string, target: string): string | null => {
  if (target === "" || target.startsWith("/") || target.includes("\0")) return null
  const parts = target.split("/").filter((part) => part !== "" && part !== ".")
  const down = parts.findIndex((part) => part !== "..")
  const ups = down < 0 ? parts.length : down
  const rest = parts.slice(ups)
  const folder = path.split("/").slice(0, -1)
  return ups > folder.length || rest.includes("..")
    ? null
    : [...folder.slice(0, folder.length - ups), ...rest].join("/")
}

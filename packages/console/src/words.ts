/**
 * Times, sizes and names as people read them.
 */

/** `4 s`, `2 min 5 s`, `3 h 2 min`. */
export const lasting = (millis: number): string => {
  const seconds = Math.max(0, Math.round(millis / 1000))
  if (millis >= 0 && millis < 1000) return `${Math.round(millis)} ms`
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`
}

export const size = (bytes: number): string => {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"]
  const at = bytes < 1 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10))
  const value = bytes / 1024 ** at
  return `${value < 10 && at > 0 ? value.toFixed(1) : Math.round(value)} ${units[at]}`
}

/** `1 step`, `2 steps`. */
export const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`

export const clock = (iso: string): string => new Date(iso).toLocaleTimeString()

export const spoken = (name: string): string => name.replaceAll("_", " ")
